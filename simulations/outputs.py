"""Names of the extra per-layer outputs; `estimation.outputs` defines each."""

from collections.abc import Iterable

from neurondeath_theory.foundation.validation import check_choice, invalid

__all__ = ["LOG_VARIANCE_SUMS", "OUTPUTS", "OUTPUT_COLUMNS", "OUTPUT_VERSIONS", "check_outputs"]

OUTPUTS = ("layerwise_alive", "dead_units", "sparsity", "variance", "correlation")

# columns of results; `dead_units` has two and `variance` three
OUTPUT_COLUMNS = (
    "layerwise_alive",
    "dead_units",
    "dead_unit_share",
    "sparsity",
    "variance",
    "log_variance",
    "log_variance_sd",
    "correlation",
)

# statistics of `variance`: sums of the first four powers of log q over the trials with q > 0
LOG_VARIANCE_SUMS = ("log_variance", "log_variance_squares", "log_variance_cubes", "log_variance_fourths")

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
