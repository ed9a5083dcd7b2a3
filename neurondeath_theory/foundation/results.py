"""What every result can do: one readable line, a notebook table, a data frame."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from neurondeath_theory.foundation.lazy_imports import import_or_explain

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Result", "format_number"]

NOTEBOOK_ROWS = 60
DRAWERS = "neurondeath.figures.result_pictures"  # imported when a result is drawn: the one look up the house


class Result:
    """Base of the frozen result objects: a subclass gives `columns()` and `__str__`."""

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Name the result's columns, all of one length."""
        raise NotImplementedError

    def to_dataframe(self) -> "pd.DataFrame":
        """Give the result as a pandas data frame (extra `dataframe`)."""
        pandas = import_or_explain("pandas")
        return pandas.DataFrame({name: list(values) for name, values in self.columns().items()})

    def plot(self, path: "str | Path | None" = None) -> "Figure":
        """Draw the result, and with `path` also save the picture (.png, .pdf or .svg).

        Raises
        ------
        InvalidArgumentError
            If the ending names no format we write, or the folder does not exist.
        NotImplementedError
            If there is no picture of this kind of result.
        """
        figure: Figure = import_or_explain(DRAWERS).draw_result(self, path)
        return figure

    def _repr_html_(self) -> str:
        columns = self.columns()
        n_rows = max((len(values) for values in columns.values()), default=0)
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        rows = [
            "<tr>" + "".join(f"<td>{escape(format_number(v[i]))}</td>" for v in columns.values()) + "</tr>"
            for i in range(min(n_rows, NOTEBOOK_ROWS))
        ]
        more = f"<p>{n_rows - NOTEBOOK_ROWS} more rows</p>" if n_rows > NOTEBOOK_ROWS else ""
        return f"<p>{escape(str(self))}</p><table><tr>{head}</tr>{''.join(rows)}</table>{more}"


def format_number(value: Any, digits: int = 5) -> str:
    """Write a number to a few significant digits, other values as they are.

    Examples
    --------
    >>> format_number(0.123456789), format_number(3), format_number(float("-inf"))
    ('0.12346', '3', '-inf')
    """
    if value is None:
        return "-"
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.{digits}g}"
    return str(value)
