"""The pages of the Python reference: one per room with a table of its names, and one per name."""

import inspect
import re
from importlib import import_module
from typing import Any

from generators.markdown import escaped
from generators.rooms import PACKAGES, names_by_room, names_with_a_meaning_of_their_own

__all__ = ["api_pages"]

FOLDER = "reference/api"
ROOMS = "parts/rooms.md"  # included by `docs/reference/python.md`
CLASSES, FUNCTIONS = "classes", "functions"  # apart: `Audit` and `audit` are one file where case does not count
VALUES = {"FIGURES": "The figures: name -> title.", "__version__": "The version of the package."}
ROOM_OF_PACKAGE_NAMES = {"neurondeath_theory": "Remedies"}  # where a name of a package alone is listed


def api_pages() -> dict[str, str]:
    """Return the pages: path below `docs/generated` -> text."""
    pages: dict[str, str] = {}
    own = names_with_a_meaning_of_their_own()
    for room, names in names_by_room().items():
        places = [("neurondeath", name) for name in names]
        places += [(package, name) for name, package in own.items() if ROOM_OF_PACKAGE_NAMES[package] == room]
        pages[f"{FOLDER}/{slug(room)}.md"] = _room_page(room, places)
        pages |= {f"{FOLDER}/{page_of(*place)}.rst": _name_page(*place) for place in places}
    rooms = [f"../generated/{FOLDER}/{slug(room)}" for room in names_by_room()]  # as seen from `docs/reference`
    return pages | {ROOMS: "\n".join(["```{toctree}", ":maxdepth: 1", "", *rooms, "```", ""])}


def slug(title: str) -> str:
    """Return the title of a room as a file name."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def page_of(package: str, name: str) -> str:
    """Return the page of a name, below the folder of the reference and without its ending."""
    folder = CLASSES if inspect.isclass(_object(package, name)) else FUNCTIONS
    return f"{folder}/{name if package == 'neurondeath' else f'{package}.{name}'}"


def _object(package: str, name: str) -> Any:
    return getattr(import_module(package), name)


def _room_page(room: str, places: list[tuple[str, str]]) -> str:
    lines = [f"# {room}", "", "| name | what it is |", "|---|---|"]
    lines += [f"| {{py:obj}}`{name} <{package}.{name}>` | {summary(package, name)} |" for package, name in places]
    lines += ["", "```{toctree}", ":hidden:", ""]
    lines += [f"{name} <{page_of(package, name)}>" for package, name in places]
    return "\n".join([*lines, "```", ""])


def summary(package: str, name: str) -> str:
    """Return the first sentence about a name, as one cell of a table."""
    thing = _object(package, name)
    text = inspect.getdoc(thing) if callable(thing) else VALUES[name]
    return escaped(str(text).partition("\n\n")[0]).replace("\\$", "$")


def _name_page(package: str, name: str) -> str:
    thing = _object(package, name)
    lines = [name.replace("_", "\\_"), "=" * (len(name) + name.count("_")), "", f".. currentmodule:: {package}", ""]
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        lines += [f".. autoexception:: {name}", "   :show-inheritance:"]
    elif inspect.isclass(thing):
        lines += [f".. autoclass:: {name}", "   :members:"]
    elif callable(thing):
        lines += [f".. autofunction:: {name}"]
    else:
        lines += [f".. py:data:: {name}", "", f"   {VALUES[name]}"]
    also = [each for each in PACKAGES if each != package and getattr(import_module(each), name, None) is thing]
    if also:
        lines += ["", f"Also ``{also[0]}.{name}``; defined in ``{getattr(thing, '__module__', also[0])}``."]
    return "\n".join([*lines, ""])
