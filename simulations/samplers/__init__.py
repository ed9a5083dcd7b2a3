"""Samplers: each prepares the points of a task, calls its kernel and gives additive statistics.

One module a pair of estimator and engine, with a function `sample(task, seed, start, stop)` that samples the trials
start .. stop - 1 and returns named arrays, one entry a layer, that add over shards. It is thread-safe; the interpreter
is free while the kernel runs.
"""

__all__ = ["ENGINES", "ESTIMATORS", "POPULATION", "SAMPLERS", "TRIAL_COST"]

SAMPLERS = {
    ("crude", "dense"): "simulations.samplers.crude_dense",
    ("crude", "gram"): "simulations.samplers.crude_gram",
    ("crude", "single"): "simulations.samplers.crude_single",
    ("conditional", "dense"): "simulations.samplers.conditional_dense",
    ("splitting", "dense"): "simulations.samplers.splitting_dense",
}
ESTIMATORS = tuple(dict.fromkeys(estimator for estimator, _ in SAMPLERS))
ENGINES = {name: tuple(engine for estimator, engine in SAMPLERS if estimator == name) for name in ESTIMATORS}

POPULATION = 1024  # networks in a trial of the splitting estimator: part of what its name means in a task id
TRIAL_COST = {"crude": 1, "conditional": 3, "splitting": POPULATION}  # forward passes that a trial takes, about
