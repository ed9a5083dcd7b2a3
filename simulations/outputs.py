"""Names of the extra per-layer outputs; `estimation.outputs` defines each."""

from collections.abc import Iterable

from neurondeath_theory.foundation.validation import check_choice, invalid

__all__ = [
    "LOG_GRADIENT_SUMS",
    "LOG_VARIANCE_SUMS",
    "OUTPUTS",
    "OUTPUT_COLUMNS",
    "OUTPUT_VERSIONS",
    "POWERS",
    "WITH_TRIALS",
    "check_outputs",
    "precision_for",
]

OUTPUTS = ("layerwise_alive", "dead_units", "sparsity", "variance", "correlation", "effective_rank", "log_gradient")
# outputs that some trials leave undefined: their statistics contain the number of those that define them
WITH_TRIALS = ("correlation", "effective_rank", "log_gradient")

# columns of results; `dead_units` and `log_gradient` have two, `variance` three
OUTPUT_COLUMNS = (
    "layerwise_alive",
    "dead_units",
    "dead_unit_share",
    "sparsity",
    "variance",
    "log_variance",
    "log_variance_sd",
    "correlation",
    "effective_rank",
    "log_gradient",
    "log_gradient_sd",
)

POWERS = ("", "_squares", "_cubes", "_fourths")
# statistics of `variance` and `log_gradient`: sums of the first four powers of a logarithm over the trials that have it
LOG_VARIANCE_SUMS = tuple(f"log_variance{power}" for power in POWERS)
LOG_GRADIENT_SUMS = tuple(f"log_gradient{power}" for power in POWERS)

# outputs of small differences between features, for which single precision is not enough
IN_DOUBLE = ("effective_rank",)

# part of the task id; raised when the same task would give other statistics (1 is left out)
OUTPUT_VERSIONS = {"variance": 2}


def check_outputs(name: str, outputs: Iterable[str]) -> tuple[str, ...]:
    """Validate names of outputs, each at most once, with _ or -; return them in the order of OUTPUTS.

    Examples
    --------
    >>> check_outputs("outputs", ["variance", "dead-units"])
    ('dead_units', 'variance')
    """
    if isinstance(outputs, str) or not isinstance(outputs, Iterable):
        raise invalid(name, f"be a sequence of names out of {', '.join(OUTPUTS)}", outputs)
    plain = [output.replace("-", "_") if isinstance(output, str) else output for output in outputs]
    wanted = [check_choice(f"{name}[{i}]", output, OUTPUTS) for i, output in enumerate(plain)]
    if len(set(wanted)) < len(wanted):
        raise invalid(name, "name every output once", wanted)
    return tuple(output for output in OUTPUTS if output in wanted)


def precision_for(outputs: Iterable[str], dtype: str) -> str:
    """Return the arithmetic in which outputs are computed: that asked for, or double precision where they need it.

    Examples
    --------
    >>> precision_for(["variance"], "float32"), precision_for(["variance", "effective_rank"], "float32")
    ('float32', 'float64')
    """
    return "float64" if any(output in IN_DOUBLE for output in outputs) else dtype
