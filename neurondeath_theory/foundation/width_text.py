"""Widths of layers as text in few characters; imports nothing, for commands that must start at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["short_widths"]


def short_widths(widths: "Sequence[int] | npt.NDArray[np.integer[Any]]") -> str:
    """Format widths in few characters.

    Examples
    --------
    >>> short_widths([8] * 50), short_widths([3, 5])
    ('8 x 50', '3,5')
    """
    if min(widths) == max(widths):
        return f"{widths[0]} x {len(widths)}"
    return ",".join(str(width) for width in widths[:8]) + (",..." if len(widths) > 8 else "")
