"""Which engine samples a task: the engines that can, and the one that is likely the fastest.

- `single`: one point of a plain ReLU network whose pre-activations have symmetric signs; cost independent of width.
- `gram`: plain ReLU networks with Gaussian weights; the cost depends on the number of points instead of the fan-in.
- `dense`: every network whose weights follow one of the named laws.
- `numpy`: networks of a `Law`, whose own sampler draws the weights in Python; what follows is compiled as for `dense`.
"""

from collections.abc import Sequence

from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks.activations import relu
from neurondeath_theory.networks.network import Network

__all__ = [
    "ENGINES",
    "ESTIMATORS",
    "ESTIMATOR_VERSIONS",
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
    ("crude", "numpy"): "neurondeath.simulations.samplers.crude_general",
    ("conditional", "dense"): "neurondeath.simulations.samplers.conditional_dense",
    ("splitting", "dense"): "neurondeath.simulations.samplers.splitting_dense",
}
ESTIMATORS = tuple(dict.fromkeys(estimator for estimator, _ in SAMPLERS))
ENGINES = {name: tuple(engine for estimator, engine in SAMPLERS if estimator == name) for name in ESTIMATORS}
# part of the task id; raised when the same task would give other estimates or intervals (1 is left out)
ESTIMATOR_VERSIONS = {"conditional": 2, "splitting": 2}

POPULATION = 1024  # networks per trial of the splitting estimator; part of the definition of its task ids
TRIAL_COST = {"crude": 1, "conditional": 9, "splitting": POPULATION}  # forward passes per trial, about

MOST_GRAM_POINTS = 2048  # the matrices of pairs then take 100 MB per thread

# Costs in microseconds, measured on one core of a server of 2023; only the choice of the engine depends on them.
NORMAL_COST = 1.1e-3  # per random normal
DENSE_COST, GRAM_COST = 2 / 115e3, 2 / 57e3  # per multiply-add: single precision in dense, double in gram
CHOLESKY_COST = 1e-4  # per step of the Cholesky factor
PANEL_POINTS = 32  # points are padded to a multiple of this


def is_plain_gaussian(network: Network, inputs: InputSet, outputs: Sequence[str] = ()) -> bool:
    """Whether the fast kernels can sample a task: plain ReLU, Gaussian weights, finite inputs, no extra outputs."""
    plain = (network.architecture, network.activation, network.sign_flip) == ("plain", relu(), "none")
    gaussian = network.law is None and network.init in ("he", "gaussian") and network.bias_law == "normal"
    return plain and gaussian and not inputs.infinite and not outputs


def choose_engine(network: Network, inputs: InputSet, outputs: Sequence[str] = ()) -> tuple[str, str]:
    """Choose the engine for the crude estimator.

    Returns
    -------
    engine, reason : str
        Name of the engine, and the reason for the choice in one line.
    """
    if network.law is not None:
        return "numpy", "the weights are drawn by the law's own sampler, in Python"
    if _refusal("single", network, inputs, outputs) is None:
        return "single", "one point: its survival depends on fair coin flips only"
    if _refusal("gram", network, inputs, outputs) is None:
        dense, gram = _dense_cost(network, inputs.n_points), _gram_cost(network, inputs.n_points)
        if gram < dense:
            return "gram", f"{inputs.n_points} points are few for these widths: about {dense / gram:.1f} times as fast"
        return "dense", f"{inputs.n_points} points are many for these widths"
    return "dense", "the only engine that can sample this task"


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
    if "log_gradient" in outputs and (network.architecture == "batch_norm" or network.sign_flip != "none"):
        rule = "leave out log_gradient with batch norm and with sign flips, whose gradients are not measured"
        raise invalid("outputs", rule, list(outputs))
    reason = _refusal(engine, network, inputs, outputs)
    if reason is not None:
        remedy = "use dense or auto" if network.law is None else "use numpy or auto"
        raise invalid("engine", f"fit the task: {engine} {reason}", engine, remedy)


def _refusal(engine: str, network: Network, inputs: InputSet, outputs: Sequence[str]) -> str | None:
    """Return why an engine cannot sample a task; None if it can."""
    if engine == "numpy":
        return "draws the weights of a Law" if network.law is None else None
    if network.law is not None and engine == "dense":
        return "does not draw the weights of a Law"
    if engine == "dense":
        return None
    if not is_plain_gaussian(network, inputs, outputs):
        return "samples plain ReLU networks with Gaussian weights and no sign flip, on points, without further outputs"
    if inputs.resample:
        return "needs the same points in all trials, and these are drawn again for each"
    if engine == "single" and inputs.n_points > 1:
        return f"follows one point, not {inputs.n_points}"
    if engine == "gram" and inputs.n_points > MOST_GRAM_POINTS:
        return f"takes at most {MOST_GRAM_POINTS} points, not {inputs.n_points}"
    return None


def _dense_cost(network: Network, n_points: int) -> float:
    columns = -(-n_points // PANEL_POINTS) * PANEL_POINTS
    pairs = zip(network.widths, network.fan_ins, strict=True)
    return sum(width * fan_in for width, fan_in in pairs) * (NORMAL_COST + columns * DENSE_COST)


def _gram_cost(network: Network, n_points: int) -> float:
    columns = -(-n_points // PANEL_POINTS) * PANEL_POINTS
    unit_cost = n_points * (NORMAL_COST + 2 * columns * GRAM_COST)
    return sum(network.widths) * unit_cost + network.depth * CHOLESKY_COST * n_points**3
