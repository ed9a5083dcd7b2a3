"""Samplers: each prepares the points of a task, calls its kernel and returns additive statistics.

One module per pair of estimator and engine, with a function `sample(task, seed, start, stop)` that samples the trials
start .. stop - 1 and returns named arrays, one entry per layer, that add over shards. It is thread-safe; the
interpreter is free while the kernel runs. `engines.SAMPLERS` is their table.
"""
