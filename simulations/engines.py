"""Which engine samples a task: who can, and who is likely the fastest.

- `single`: one point of a plain ReLU network whose pre-activations have symmetric signs; any width at the same cost.
- `gram`: plain ReLU networks with Gaussian weights; normals and products for the points instead of the fan-in.
- `dense`: every network.
"""

from collections.abc import Sequence

from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks.activations import relu
from neurondeath_theory.networks.network import Network

__all__ = [
    "ENGINES",
    "ESTIMATORS",
    "POPULATION",
    "SAMPLERS",
    "TRIAL_COST",
    "check_sampler",
    "choose_engine",
    "is_plain_gaussian",
]

SAMPLERS = {
    ("crude", "dense"): "neurondeath.simulations.samplers.crude_dense",
    ("crude", "gram"): "neurondeath.simulations.samplers.crude_gram",
    ("crude", "single"): "neurondeath.simulations.samplers.crude_single",
    ("conditional", "dense"): "neurondeath.simulations.samplers.conditional_dense",
    ("splitting", "dense"): "neurondeath.simulations.samplers.splitting_dense",
}
ESTIMATORS = tuple(dict.fromkeys(estimator for estimator, _ in SAMPLERS))
ENGINES = {name: tuple(engine for estimator, engine in SAMPLERS if estimator == name) for name in ESTIMATORS}

POPULATION = 1024  # networks in a trial of the splitting estimator: part of what its name means in a task id
TRIAL_COST = {"crude": 1, "conditional": 3, "splitting": POPULATION}  # forward passes that a trial takes, about

MOST_GRAM_POINTS = 2048  # its matrices of pairs then take 100 MB a thread

# Microseconds, measured on one core of a server of 2023; nothing but the choice of an engine hangs on them.
NORMAL = 1.1e-3  # a random normal
SINGLE_PRECISION, DOUBLE_PRECISION = 2 / 115e3, 2 / 57e3  # a multiply-add in the dense and in the gram engine
FACTOR = 1e-4  # a step of the Cholesky factor
PANEL = 32  # points that are computed together whether they are there or not


def is_plain_gaussian(network: Network, inputs: InputSet, outputs: Sequence[str] = ()) -> bool:
    """Whether a task is one for the fast kernels: plain ReLU, Gaussian weights, finite inputs, life and death only."""
    plain = (network.architecture, network.activation, network.sign_flip) == ("plain", relu(), "none")
    return plain and network.init in ("he", "gaussian") and not inputs.infinite and not outputs


def choose_engine(network: Network, inputs: InputSet, outputs: Sequence[str] = ()) -> tuple[str, str]:
    """Pick the engine for the crude estimator, and say why.

    Returns
    -------
    engine, reason : str
        The engine's name and one line.
    """
    if _refusal("single", network, inputs, outputs) is None:
        return "single", "one point: its life hangs on fair coins, whatever the width"
    if _refusal("gram", network, inputs, outputs) is None:
        dense, gram = _dense_cost(network, inputs.n_points), _gram_cost(network, inputs.n_points)
        if gram < dense:
            return "gram", f"{inputs.n_points} points are few for these widths: about {dense / gram:.1f} times as fast"
        return "dense", f"{inputs.n_points} points are many for these widths"
    return "dense", "the engine for every network"


def check_sampler(estimator: str, engine: str, network: Network, inputs: InputSet, outputs: Sequence[str] = ()) -> None:
    """Refuse an estimator or an engine that cannot sample a task.

    Raises
    ------
    InvalidArgumentError
        With the reason.
    """
    if estimator != "crude" and not is_plain_gaussian(network, inputs, outputs):
        rule = (
            f"fit the task: {estimator} samples plain ReLU networks with Gaussian weights and no sign flip, on points, "
            "without further outputs"
        )
        raise invalid("estimator", rule, estimator, "use crude")
    reason = _refusal(engine, network, inputs, outputs)
    if reason is not None:
        raise invalid("engine", f"fit the task: {engine} {reason}", engine, "use dense or auto")


def _refusal(engine: str, network: Network, inputs: InputSet, outputs: Sequence[str]) -> str | None:
    """Say why an engine cannot sample a task; None if it can."""
    if engine == "dense":
        return None
    if not is_plain_gaussian(network, inputs, outputs):
        return "samples plain ReLU networks with Gaussian weights and no sign flip, on points, without further outputs"
    if inputs.resample:
        return "keeps its points for all trials, and these are drawn afresh"
    if engine == "single" and inputs.n_points > 1:
        return f"follows one point, not {inputs.n_points}"
    if engine == "gram" and inputs.n_points > MOST_GRAM_POINTS:
        return f"takes at most {MOST_GRAM_POINTS} points, not {inputs.n_points}"
    return None


def _dense_cost(network: Network, n_points: int) -> float:
    columns = -(-n_points // PANEL) * PANEL
    pairs = zip(network.widths, network.fan_ins, strict=True)
    return sum(width * fan_in for width, fan_in in pairs) * (NORMAL + columns * SINGLE_PRECISION)


def _gram_cost(network: Network, n_points: int) -> float:
    columns = -(-n_points // PANEL) * PANEL
    a_unit = n_points * (NORMAL + 2 * columns * DOUBLE_PRECISION)
    return sum(network.widths) * a_unit + network.depth * FACTOR * n_points**3
