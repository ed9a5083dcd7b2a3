"""What all pictures share: the style, the palette, and saving so that a picture is either whole or not there."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurondeath_theory._validation import check_choice, invalid

__all__ = ["FORMATS", "LINE_COLOURS", "MARKERS", "house_style", "new_figure", "save"]

FORMATS = ("png", "pdf", "svg")
# Okabe and Ito's palette (2008), safe for colour-blind readers, in an order whose greys differ
LINE_COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
UNDATED = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None}, "svg": {"Date": None}}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style, leaving matplotlib's settings as they were."""
    with style.context(Path(__file__).with_name("house.mplstyle")):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of a size in inches that needs no window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | Path, *, name: str = "out") -> Path:
    """Write a picture in the format its ending names, undated, at one stroke.

    Raises
    ------
    InvalidArgumentError
        If the ending names no format we write, or the folder does not exist.
    """
    target = Path(path)
    kind = target.suffix.lstrip(".").lower()
    check_choice(f"{name} ending", kind, FORMATS)
    if not target.parent.is_dir():
        raise invalid(name, "name a file in a folder that exists", str(target), f"make {target.parent} first")
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, metadata=UNDATED[kind])
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.write_bytes(buffer.getvalue())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def thinned(n_items: int, most: int) -> Sequence[int]:
    """Pick at most `most` of n_items indices, evenly, the last among them."""
    step = -(-n_items // most)
    return range(n_items - 1, -1, -step)[::-1]
