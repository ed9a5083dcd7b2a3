"""Python objects named on the command line, as module:name or path/to/file.py:name."""

import importlib
import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.input_files import MOST_TEXT_BYTES, input_file
from neurondeath_theory.foundation.validation import invalid

__all__ = ["load_object", "reason_of"]


class _AsItIsNow(SourceFileLoader):
    """Reads a file itself, not the bytecode kept beside it, which a change of the same second and size leaves valid."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the file, and keep nothing."""
        return self.source_to_code(self.get_data(self.path), self.path)


def load_object(option: str, spec: str, example: str) -> Any:
    """Import a module or run a file, and return what it names; `example` is a specification for error messages.

    Raises
    ------
    InvalidArgumentError
        If there is no such module, file or name, or the import raises an error.
    """
    place, _, attribute = spec.rpartition(":")
    if not place or not attribute:
        raise invalid(option, "be module:function or file.py:function", spec, f"as in {example}")
    found: Any = _import(option, place, spec)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise invalid(option, f"name something in {place}", attribute)
        found = getattr(found, part)
    return found


def reason_of(error: BaseException) -> str:
    """Return class and text of an error.

    Examples
    --------
    >>> reason_of(ValueError("two")), reason_of(KeyboardInterrupt())
    ('ValueError: two', 'KeyboardInterrupt')
    """
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _import(option: str, place: str, spec: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return _import_file(option, Path(place))
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, "")  # as `python -m` does
        return importlib.import_module(place)
    except NeuronDeathError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(f"{error.name}.")):
            raise invalid(option, "name a module that can be imported from here", place) from None
        raise invalid(option, "name a module that imports without an error", spec, reason=reason_of(error)) from None
    except (Exception, SystemExit) as error:
        raise invalid(option, "name a module that imports without an error", spec, reason=reason_of(error)) from None


def _import_file(option: str, path: Path) -> ModuleType:
    with input_file(option, path, most_bytes=MOST_TEXT_BYTES, what="Python file"):
        pass  # a file of text, which Python reads again
    found = importlib.util.spec_from_file_location(path.stem, path, loader=_AsItIsNow(path.stem, str(path)))
    if found is None or found.loader is None:
        raise invalid(option, "name a Python file", str(path))
    module = importlib.util.module_from_spec(found)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.resolve().parent))
    found.loader.exec_module(module)
    return module
