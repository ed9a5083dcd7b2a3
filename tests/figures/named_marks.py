"""Find marks in a figure that neither a legend nor a label names."""

from collections import namedtuple

from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import to_hex, to_rgb
from matplotlib.contour import ContourSet
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neurondeath.figures.picture import KIND, MARKERS

__all__ = ["legends", "unnamed"]

Mark = namedtuple("Mark", "colour line marker hollow")
GREY = to_hex(KIND)


def unnamed(figure):
    """Return what is drawn and named nowhere, as text.

    A mark is named by a legend entry that looks like it; or by two, its series (same colour, or a label in that colour)
    and its kind (a grey entry). Where a series consists of lines and of separate markers, both must be named.
    """
    entries = [_mark(line) for legend in legends(figure) for line in legend.findobj(Line2D)]
    colours = {mark.colour for mark in entries if mark.colour != GREY}
    colours |= {to_hex(text.get_color()) for axis in figure.axes for text in axis.texts}
    missing = []
    for axis in figure.axes:
        shown = {_mark(line) for line in axis.lines if len(line.get_xdata())}
        for mark in sorted(shown, key=str):
            lines = {one for one in shown if one.colour == mark.colour and one.line and not one.marker}
            alone = mark in entries and (mark.line or lines <= set(entries))
            if not alone and not (mark.colour in colours and _kind_is_named(mark, entries)):
                missing.append(f"{mark}")
    return missing + _unnamed_areas(figure, colours)


def legends(figure):
    """Return all legends of a figure."""
    return [*figure.legends, *(axis.get_legend() for axis in figure.axes if axis.get_legend() is not None)]


def _mark(line):
    style, marker = line.get_linestyle(), str(line.get_marker())
    hollow = line.get_fillstyle() == "none" or str(line.get_markerfacecolor()) == "none"
    has_marker = marker not in ("None", "none", "", " ")
    return Mark(
        to_hex(line.get_color()),
        "" if style in ("None", "none", "", " ") else style,
        marker if has_marker else "",
        hollow and has_marker,
    )


def _kind_is_named(mark, entries):
    own = [entry for entry in entries if entry.colour == mark.colour]
    grey = [entry for entry in entries if entry.colour == GREY]
    if mark.line and not mark.marker:
        like = any(entry.line == mark.line for entry in own)
        return any(not e.marker and (e.line == mark.line or (like and e.line == "-")) for e in grey)
    if mark.marker and not mark.line:
        like = not own or any(entry.marker == mark.marker for entry in own)
        kinds = [entry for entry in grey if not entry.line and entry.hollow == mark.hollow]
        return any(entry.marker == mark.marker or (like and entry.marker == MARKERS[0]) for entry in kinds)
    return False


def _unnamed_areas(figure, colours):
    patches = [
        to_hex(patch.get_facecolor())
        for legend in legends(figure)
        for patch in legend.findobj(Patch)
        if patch is not legend.get_frame()
    ]
    lines = {to_hex(line.get_color()) for legend in legends(figure) for line in legend.findobj(Line2D)}
    shades = any(axis.get_label() == "<colorbar>" for axis in figure.axes)
    missing = []
    for axis in figure.axes:
        if axis.get_label() == "<colorbar>":
            continue
        areas = [to_hex(patch.get_facecolor()) for patch in axis.patches]
        for collection in axis.collections:
            if isinstance(collection, ContourSet):
                missing += [f"contour {to_hex(c)}" for c in collection.get_edgecolor() if to_hex(c) not in lines]
            elif isinstance(collection, QuadMesh):
                used = collection.to_rgba(collection.get_array()).reshape(-1, 4)
                areas += [] if shades else sorted({to_hex(colour) for colour in used})
            elif isinstance(collection, PolyCollection):
                areas += [to_hex(to_rgb(colour)) for colour in collection.get_facecolor()]
        missing += [f"area {c}" for c in areas if c not in patches and not (c in colours and GREY in patches)]
        missing += ["image"] if axis.images and not shades else []
    return missing
