"""Plot any column of a results store against any other: estimates with 95 % bands, and the theory.

Markers and bands are sampled; lines are theoretical values, where there are any. The rows of one curve share the values
of the grouping columns; by default these are the fewest settings that distinguish the rows at one x.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from neurondeath.figures.column_labels import SHORT, label_of
from neurondeath.figures.picture import colour, house_style, line_style, marker, new_figure
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.validation import invalid

__all__ = ["draw_store_plot"]

MOST_CURVES = 16  # more cannot be distinguished by colour and marker
MOST_ORDERED = 200  # curves of one number, which have a colour bar
FEW_ORDERED = 5  # up to which a legend says more than a colour bar
# settings that may identify a curve, in the order in which they are tried
GROUPING = (
    "inputs",
    "width",
    "n_layers",
    "architecture",
    "block_depth",
    "activation",
    "init",
    "weight_variance",
    "degrees_of_freedom",
    "zero_share",
    "bias_variance",
    "bias_law",
    "sign_flip",
    "estimator",
    "engine",
    "dtype",
    "input_dim",
    "input_seed",
    "seed",
    "widths",
    "task_id",
)

Table = Mapping[str, Sequence[Any]]


class Look(NamedTuple):
    """Colour and marker of a curve."""

    colour: Any
    marker: str


Floats = npt.NDArray[np.float64]


def draw_store_plot(
    table: Table,
    *,
    x: str = "depth",
    y: str = "alive",
    group_by: Sequence[str] | None = None,
    bounds: bool = True,
    log_x: bool = False,
    log_y: bool = False,
) -> Figure:
    """Draw one column of a table of estimates against another.

    Parameters
    ----------
    table : mapping of str to sequence
        Rows of estimates, as `neurondeath.simulations.estimation.layer_table.layer_table` returns them.
    x, y : str
        Columns; x may contain words, y must contain numbers. Rows without an x are left out.
    group_by : sequence of str, optional
        Columns whose values identify a curve; by default the fewest settings that do.
    bounds : bool
        Draw the theoretical values of `alive`, `death` and `living_ratio`.
    log_x, log_y : bool
        Logarithmic axes; values not above 0 are left out.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Raises
    ------
    InvalidArgumentError
        If a column is missing or holds no numbers, two rows of a curve share an x, or there are too many curves.
    """
    for name, column in (("x", x), ("y", y), *(("group_by", column) for column in group_by or ())):
        if column not in table:
            raise invalid(name, "name a column of the results", column, f"they are {', '.join(table)}")
    heights = _numbers("y", y, table[y])
    words = any(isinstance(value, str) for value in table[x])
    rows = [i for i, value in enumerate(table[x]) if value is not None and value == value and np.isfinite(heights[i])]
    if log_y:
        rows = [i for i in rows if heights[i] > 0.0]
    if log_x:
        if words:
            raise invalid("log_x", "be left out for words", x)
        rows = [i for i in rows if table[x][i] > 0.0]
    if not rows:
        raise invalid("y", f"have a value somewhere to draw against {x}", y)
    if group_by is None and x == "depth":
        rows = _deepest(table, rows)
    groups = list(_own_groups(table, x, rows) if group_by is None else group_by)
    curves = _curves(table, x, groups, rows)
    ticks = list(dict.fromkeys(str(table[x][i]) for i in rows)) if words else []
    with house_style():
        figure = new_figure(4.6, 3.0)
        axis = figure.subplots()
        kinds: dict[str, Any] = {}
        scale = _colour_scale(groups, curves)
        for index, (key, members) in enumerate(curves.items()):
            look = Look(colour(index), marker(index)) if scale is None else Look(scale.to_rgba(key[0]), "o")
            at = [ticks.index(str(table[x][i])) if words else float(table[x][i]) for i in members]
            order = np.argsort(at, kind="stable")
            picked, places = [members[i] for i in order], np.array(at, dtype=np.float64)[order]
            if words:  # side by side, so that no interval hides another
                places += 0.6 * ((index + 0.5) / len(curves) - 0.5)
            _draw_curve(axis, table, places, picked, y, heights, look, words)
            if bounds:
                reach = 0.3 / len(curves) if words else 0.0
                kinds |= _draw_theory(axis, table, places, picked, y, look, reach)
        axis.set_axisbelow(True)
        if words:
            axis.set_xticks(range(len(ticks)), ticks)
        if log_x:
            axis.set_xscale("log")
        if log_y:
            axis.set_yscale("log", nonpositive="mask")
        elif not words and all(float(table[x][i]).is_integer() for i in rows):
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axis.set_xlabel(label_of(x))
        axis.set_ylabel(label_of(y))
        if scale is not None:
            figure.colorbar(scale, ax=axis, label=label_of(groups[0]))
        handles = [
            Line2D([], [], color=colour(i), marker=marker(i), linestyle="none", label=_label(groups, key))
            for i, key in enumerate(curves)
            if groups and scale is None
        ]
        handles += [Line2D([], [], color="0.3", linestyle=style, label=label) for label, style in kinds.items()]
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3))
    return figure


def _numbers(name: str, column: str, values: Sequence[Any]) -> Floats:
    if any(isinstance(value, str) for value in values):
        raise invalid(name, "name a column of numbers", column)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _own_groups(table: Table, x: str, rows: Sequence[int]) -> list[str]:
    """Select columns that distinguish the rows at one x: each must split rows that the earlier ones leave together."""
    groups: list[str] = []
    apart = len({table[x][i] for i in rows})
    for column in GROUPING:
        if apart == len(rows):
            break
        if column == x or column not in table:
            continue
        keys = len({tuple(table[name][i] for name in (x, *groups, column)) for i in rows})
        if keys > apart:
            groups.append(column)
            apart = keys
    return groups


def _curves(table: Table, x: str, groups: Sequence[str], rows: Sequence[int]) -> dict[tuple[Any, ...], list[int]]:
    """Collect the rows of each curve."""
    curves: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        curves.setdefault(tuple(table[name][row] for name in groups), []).append(row)
    curves = dict(sorted(curves.items(), key=lambda curve: [_rank(value) for value in curve[0]]))
    most = MOST_ORDERED if _is_ordered(groups, curves) else MOST_CURVES
    if len(curves) > most:
        remedy = "leave rows out by a condition, or group by one column of numbers, which gets a colour bar"
        raise invalid("group_by", f"make at most {most} curves", len(curves), remedy)
    for members in curves.values():
        places: dict[Any, int] = {}
        for row in members:
            other = places.setdefault(table[x][row], row)
            if other != row:
                differ = [
                    name for name in (*GROUPING, "depth") if name in table and table[name][row] != table[name][other]
                ]
                remedy = f"two rows of one curve differ in {', '.join(differ[:3]) or 'nothing'}"
                raise invalid("group_by", "tell the rows of one x apart", ",".join(groups), remedy)
    return curves


def _is_ordered(groups: Sequence[str], curves: Mapping[tuple[Any, ...], Any]) -> bool:
    """Whether the curves differ in one number."""
    return len(groups) == 1 and all(isinstance(key[0], (int, float)) for key in curves)


def _colour_scale(groups: Sequence[str], curves: Mapping[tuple[Any, ...], Any]) -> ScalarMappable | None:
    """Return the colours of many curves of one number, from dark to light; None where each has a colour of its own."""
    if not _is_ordered(groups, curves) or len(curves) <= FEW_ORDERED:
        return None
    values = [float(key[0]) for key in curves]
    wide = min(values) > 0.0 and max(values) > 10.0 * min(values)
    norm = (LogNorm if wide else Normalize)(min(values), max(values))
    return ScalarMappable(norm, ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.88, 256))))


def _deepest(table: Table, rows: Sequence[int]) -> list[int]:
    """Keep, of networks of one width that differ in depth only, the deepest: its layers are those of the others."""
    needed = ("n_layers", "width")
    if any(name not in table for name in needed) or any(table["width"][row] is None for row in rows):
        return list(rows)
    if any(value is not None for value in table.get("effective_depth", ())):
        return list(rows)  # branches are scaled by the depth
    settings = [name for name in GROUPING if name in table and name not in ("n_layers", "widths", "task_id")]
    keys = {row: tuple(table[name][row] for name in settings) for row in rows}
    deepest: dict[tuple[Any, ...], int] = {}
    for row, key in keys.items():
        deepest[key] = max(deepest.get(key, 0), table["n_layers"][row])
    return [row for row, key in keys.items() if table["n_layers"][row] == deepest[key]]


def _rank(value: Any) -> tuple[bool, Any]:
    """Order values, None first and numbers before words."""
    return isinstance(value, str), -np.inf if value is None else value


def _draw_curve(
    axis: Axes,
    table: Table,
    places: Floats,
    rows: Sequence[int],
    y: str,
    heights: Floats,
    look: Look,
    words: bool,
) -> None:
    low, high = _band(table, y, heights, rows)
    if words:
        errors = np.maximum([heights[rows] - low, high - heights[rows]], 0.0)
        axis.errorbar(places, heights[rows], yerr=errors, color=look.colour, marker=look.marker, linestyle="none")
        return
    axis.fill_between(places, low, high, color=look.colour, alpha=0.22, linewidth=0)
    axis.plot(places, heights[rows], color=look.colour, marker=look.marker, linestyle="none")


def _band(table: Table, y: str, heights: Floats, rows: Sequence[int]) -> tuple[Floats, Floats]:
    """Return the 95 % limits of the drawn values; the values themselves where no error is known."""
    values = heights[rows]
    if y in ("alive", "death"):
        low, high = (_numbers("y", name, table[name])[rows] for name in ("low", "high"))
        return (low, high) if y == "alive" else (1.0 - high, 1.0 - low)
    if f"{y}_stderr" in table:
        reach = NORMAL_QUANTILE * np.nan_to_num(_numbers("y", y, table[f"{y}_stderr"])[rows])
        return values - reach, values + reach
    return values, values


def _draw_theory(
    axis: Axes, table: Table, places: Floats, rows: Sequence[int], y: str, look: Look, reach: float
) -> dict[str, Any]:
    """Draw the theory of a curve (over words, lines of half-length `reach`); return the style of each kind of line."""
    if y in ("alive", "death"):
        names = ("lower_bound", "upper_bound")
        lines = {name.replace("_", " "): _numbers("y", name, table[name])[rows] for name in names if name in table}
        if y == "death":
            lines = {
                "lower bound": 1.0 - lines["upper bound"],
                "upper bound": 1.0 - lines["lower bound"],
            }
    elif y == "living_ratio":
        names = ("expected_living_ratio", "living_ratio_at_least")
        labels = {"expected_living_ratio": "exact mean", "living_ratio_at_least": "guarantee"}
        lines = {labels[name]: _numbers("y", name, table[name])[rows] for name in names if name in table}
    else:
        return {}
    kinds = {}
    for number, (label, values) in enumerate(lines.items()):
        if np.isfinite(values).any():
            line: dict[str, Any] = {"color": look.colour, "linestyle": line_style(number), "linewidth": 0.9}
            if reach:
                axis.hlines(values, places - reach, places + reach, **line)
            else:
                axis.plot(places, values, **line)
            kinds[label] = line_style(number)
    return kinds


def _label(groups: Sequence[str], key: Sequence[Any]) -> str:
    """Name a curve: words alone, numbers with the name of their column."""
    parts = [
        value if isinstance(value, str) else f"{SHORT.get(name, name.replace('_', ' '))} {format_number(value, 4)}"
        for name, value in zip(groups, key, strict=True)
    ]
    return ", ".join(parts)
