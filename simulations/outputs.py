"""Names of the extra per-layer outputs; `estimation.outputs` defines each."""

from collections.abc import Iterable

from neurondeath_theory.foundation.validation import check_choice, invalid

__all__ = ["OUTPUTS", "OUTPUT_VERSIONS", "check_outputs"]

OUTPUTS = ("layerwise_alive", "dead_units", "sparsity", "variance", "correlation")

# part of the task id; raised when the same task would give other statistics (1 is left out)
OUTPUT_VERSIONS = {"variance": 2}


def check_outputs(name: str, outputs: Iterable[str]) -> tuple[str, ...]:
    """Validate names of outputs, each at most once; return them in the order of OUTPUTS.

    Examples
    --------
    >>> check_outputs("outputs", ["variance", "dead_units"])
    ('dead_units', 'variance')
    """
    if isinstance(outputs, str) or not isinstance(outputs, Iterable):
        raise invalid(name, f"be a sequence of names out of {', '.join(OUTPUTS)}", outputs)
    wanted = [check_choice(f"{name}[{i}]", output, OUTPUTS) for i, output in enumerate(outputs)]
    if len(set(wanted)) < len(wanted):
        raise invalid(name, "name every output once", wanted)
    return tuple(output for output in OUTPUTS if output in wanted)
