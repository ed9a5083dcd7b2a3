"""Pictures of results: which function draws a result of which class."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neurondeath.figures.picture import check_picture, save

__all__ = ["draw_result"]

DRAWERS = {"Audit": "neurondeath.figures.audit_picture:draw_audit"}  # class: what draws it


def draw_result(result: Any, path: str | Path | None = None) -> Figure:
    """Draw a result, and with `path` also save the picture.

    Parameters
    ----------
    result : Result
        What is drawn, from its own data alone.
    path : path, optional
        A .png, .pdf or .svg file.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Raises
    ------
    InvalidArgumentError
        If the ending names no format we write, or the folder does not exist.
    NotImplementedError
        If there is no picture of this class of results.
    """
    if path is not None:
        check_picture("path", path)
    name = type(result).__name__
    if name not in DRAWERS:
        raise NotImplementedError(f"there is no picture of a {name}; draw its `columns()`")
    module, function = DRAWERS[name].split(":")
    draw: Callable[[Any], Figure] = getattr(import_module(module), function)
    figure = draw(result)
    if path is not None:
        save(figure, path, name="path")
    return figure
