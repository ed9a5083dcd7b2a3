"""The figures that claims name, drawn for the page of a report."""

import base64
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from neurondeath.paper_check.checked_claims import Report
from neurondeath.paper_check.page_text import anchor, page_text
from neurondeath_theory.foundation.interruption import Interrupted, signal_of
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["Pictures", "draw_pictures"]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Figures as markup.

    Attributes
    ----------
    markup : mapping of str to str
        Name of a figure -> HTML, with the picture in it.
    stopped_by : int, optional
        The signal that ended the drawing.
    """

    markup: Mapping[str, str] = field(default_factory=dict)
    stopped_by: int | None = None


def draw_pictures(report: Report) -> Pictures:
    """Draw each figure that a claim of a report names once, in its quick version.

    A figure that fails is left out, with a message on stderr. An interruption ends the drawing, not the report: its
    evidence took longer than its figures.
    """
    wanted = list(dict.fromkeys(item.claim.figure for item in report.claims if item.claim.figure))
    if not wanted:
        return Pictures()
    from neurondeath.figures.gallery import caption, make_figure
    from neurondeath.figures.tables import read_table

    markup: dict[str, str] = {}
    with TemporaryDirectory(prefix="neurondeath-figures-") as name:
        folder = Path(name)
        for number, figure in enumerate(wanted, start=1):
            started = time.monotonic()
            _say(f"[figure {number}/{len(wanted)}] {figure} ...", end="")
            try:
                picture = make_figure(figure, folder, quick=True)[0]
                table, _ = read_table(folder / f"{figure}.csv", figure=figure)
                text = page_text(f"{caption(figure, table)} (quick version)")
                data = base64.b64encode(picture.read_bytes()).decode()
            except (KeyboardInterrupt, Interrupted) as error:
                _say(" interrupted: the page is written without the remaining figures")
                stopped_by = error.exit_code - 128 if isinstance(error, Interrupted) else signal_of(error)
                return Pictures(markup=markup, stopped_by=stopped_by)
            except Exception as error:  # a figure that fails must not cost the evidence
                _say(f" failed: {type(error).__name__}: {error}")
                continue
            _say(f" {time.monotonic() - started:.1f} s")
            image = f'<img src="data:image/png;base64,{data}" alt="{text}">'
            markup[figure] = f'<figure id="figure-{anchor(figure)}">{image}<figcaption>{text}</figcaption></figure>'
    return Pictures(markup=markup)


def _say(text: str, end: str = "\n") -> None:
    print(visible(text), end=end, file=sys.stderr, flush=True)
