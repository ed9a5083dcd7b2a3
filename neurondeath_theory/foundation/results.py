"""What every result can do: one readable line, a notebook table, a data frame, a LaTeX table, a picture."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from neurondeath_theory.foundation.lazy_imports import import_or_explain

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Columns", "Result"]

Columns = Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]

DRAWERS = "neurondeath.figures.result_pictures"  # imported by `plot` when it is called: the only import up the layers


class Result:
    """Base of the frozen result objects: a subclass defines `columns()` and `__str__`.

    Attributes
    ----------
    priority : tuple of str
        Columns in the order in which a narrow table keeps them, where that is not their order.
    """

    priority: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Let `repr` be `str` also for dataclasses, which would write their own."""
        super().__init_subclass__()
        cls.__repr__ = Result.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return str(self)

    def columns(self) -> Columns:
        """Return the columns of the result's table, all of one length."""
        raise NotImplementedError

    def to_dataframe(self) -> "pd.DataFrame":
        """Return the table as a pandas data frame (extra `dataframe`).

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        pandas = import_or_explain("pandas")
        return pandas.DataFrame({name: list(values) for name, values in self.columns().items()})

    def to_latex(self, columns: Sequence[str] | None = None) -> str:
        r"""Return the table as a LaTeX `tabular`; a column and its standard error become one, as 0.3042(15).

        Parameters
        ----------
        columns : sequence of str, optional
            Which columns, in this order; all by default. A standard error follows its column and is not named.

        Returns
        -------
        str
            Lines from `\begin{tabular}` to `\end{tabular}`; needs no package.

        Raises
        ------
        InvalidArgumentError
            If there is no such column.
        """
        from neurondeath_theory.foundation.latex_tables import latex_table

        return latex_table(self.columns(), columns)

    def plot(self, path: "str | Path | None" = None) -> "Figure":
        """Draw the result, and with `path` also save the picture (.png, .pdf or .svg).

        Parameters
        ----------
        path : path, optional
            Where to save it, in a folder that exists.

        Returns
        -------
        matplotlib.figure.Figure
            The picture.

        Raises
        ------
        InvalidArgumentError
            If the ending names no format we write, or the folder does not exist.
        """
        figure: Figure = import_or_explain(DRAWERS).draw_result(self, path)
        return figure

    def _repr_html_(self) -> str:
        from neurondeath_theory.foundation.notebook_tables import notebook_table

        return notebook_table(str(self), self.columns(), self.priority)
