"""Options of a picture: its title, size, resolution, limits of its axes and style."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from matplotlib.figure import Figure

from neurondeath.figures.picture import own_style
from neurondeath_theory.foundation.number_text import read_real
from neurondeath_theory.foundation.validation import check_real, invalid

__all__ = ["PictureOptions"]

MOST_PIXELS = 20_000  # of a side
TITLE_SIZE = 9
INCHES = (0.5, 60.0)
DPI = (20.0, 2400.0)


@dataclass(frozen=True)
class PictureOptions:
    """Options that change a picture that is drawn."""

    title: str | None
    size: tuple[float, float] | None
    dpi: float | None
    xlim: tuple[float, float] | None
    ylim: tuple[float, float] | None
    style: str | None

    @classmethod
    def read(
        cls,
        *,
        title: str | None = None,
        size: str | None = None,
        dpi: float | None = None,
        xlim: str | None = None,
        ylim: str | None = None,
        style: str | None = None,
    ) -> "PictureOptions":
        """Read the values of `--title`, `--size`, `--dpi`, `--xlim`, `--ylim` and `--style`.

        Raises
        ------
        InvalidArgumentError
            If one is not understood, or the picture would be larger than a program can show.

        Examples
        --------
        >>> PictureOptions.read(size="5x3", xlim="0:100").size
        (5.0, 3.0)
        """
        inches = None if size is None else _size(size)
        dots = None if dpi is None else check_real("--dpi", dpi, low=DPI[0], high=DPI[1])
        if inches is not None and max(inches) * (dots or DPI[0]) > MOST_PIXELS:
            raise invalid("--size", f"be at most {MOST_PIXELS} pixels long", size, f"at {dots:g} dots per inch")
        with own_style(style, argument="--style"):
            pass
        return cls(title, inches, dots, _limits("--xlim", xlim), _limits("--ylim", ylim), style)

    @contextmanager
    def in_style(self) -> Iterator[None]:
        """Draw in the style."""
        with own_style(self.style, argument="--style"):
            yield

    def apply(self, figure: Figure) -> None:
        """Change a figure that is drawn."""
        if self.title is not None:
            figure.suptitle(self.title, parse_math=False, size=TITLE_SIZE)
        if self.size is not None:
            figure.set_size_inches(*self.size)
        for axis in figure.axes:
            if axis.get_label() == "<colorbar>":
                continue
            if self.xlim is not None:
                axis.set_xlim(*self.xlim)
            if self.ylim is not None:
                axis.set_ylim(*self.ylim)


def _size(text: str) -> tuple[float, float]:
    width, sign, height = (part.strip() for part in text.lower().partition("x"))
    if not sign:
        raise invalid("--size", "be width x height in inches, such as 5x3", text)
    return tuple(  # type: ignore[return-value]
        check_real("--size", read_real("--size", part), low=INCHES[0], high=INCHES[1]) for part in (width, height)
    )


def _limits(name: str, text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    parts = re.split(r"\s*:\s*", text.strip())
    if len(parts) != 2:
        raise invalid(name, "be first:last, such as 0:100", text)
    first, last = (check_real(name, read_real(name, part)) for part in parts)
    if first == last:
        raise invalid(name, "have two different ends", text)
    return first, last
