"""Models, weights and data named on the command line: module:function, a file, a short specification."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.validation import check_count, invalid

__all__ = ["load_data", "load_model", "load_weights", "read_shape"]

IMAGE_SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


def load_model(spec: str) -> nn.Module:
    """Build the model that "module:function" or "path/to/file.py:function" returns; it may also name a model object.

    Raises
    ------
    InvalidArgumentError
        If there is no such module or attribute, calling it fails, or it returns no nn.Module.
    """
    place, _, attribute = spec.rpartition(":")
    if not place or not attribute:
        raise invalid("MODEL", "be module:function or file.py:function", spec, "as in my_models:build")
    found: Any = _import(place, spec)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise invalid("MODEL", f"name something in {place}", attribute)
        found = getattr(found, part)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise invalid("MODEL", "name a function that returns a torch.nn.Module", type(found).__name__)
    try:
        model = found()
    except NeuronDeathError:
        raise
    except Exception as error:
        raise invalid("MODEL", "work when called without arguments", _with_error(spec, error)) from None
    if not isinstance(model, nn.Module):
        raise invalid("MODEL", "return a torch.nn.Module", type(model).__name__)
    return model


def load_weights(model: nn.Module, path: str) -> None:
    """Load a complete state dict from a file written by torch.save.

    Raises
    ------
    InvalidArgumentError
        If the file is missing or broken, holds more than tensors, or does not fit the model.
    """
    file = Path(path)
    if not file.is_file():
        raise invalid("--weights", "name a file that exists", path)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the errors of torch.load have no common class
        rule = "be a file of tensors alone, as torch.save(model.state_dict(), path) writes it"
        raise invalid("--weights", rule, path, f"torch.load raised {type(error).__name__}") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        reasons = [line.strip() for line in str(error).splitlines()]
        raise invalid("--weights", "fit the model", path, reasons[min(1, len(reasons) - 1)]) from None


def load_data(model: nn.Module, spec: str, shape: tuple[int, ...] | None, batch_size: int, seed: int) -> list[Any]:
    """Return the batches of a data specification in the shape that the first layer of the model reads.

    Parameters
    ----------
    model : nn.Module
        Determines shape and dtype: flat points for a linear first layer, images of known sets for a convolution.
    spec : str
        digits, mnist or cifar10, with or without :M, a random set such as gaussian:M, or a .npy or .npz file.
    shape : tuple of int or None
        Shape of one point; None if the first layer implies it.
    batch_size, seed : int
        Points per batch, and input seed.

    Raises
    ------
    InvalidArgumentError
        If the data are unknown or do not fit the shape.
    """
    size = check_count("--batch-size", batch_size)
    kind = spec.partition(":")[0]
    first = next((part for part in model.modules() if isinstance(part, (nn.Linear, nn.modules.conv._ConvNd))), None)
    if shape is None:
        if isinstance(first, nn.Linear):
            shape = (first.in_features,)
        elif isinstance(first, nn.Conv2d) and kind in IMAGE_SHAPES:
            shape = IMAGE_SHAPES[kind]
        else:
            raise invalid(
                "--input-shape", "be given: the first layer of the model does not imply it", None, "as in 3,32,32"
            )
    dimension = 1
    for length in shape:
        dimension *= length
    made = input_set(spec, dimension=dimension, seed=seed, name="--data")
    if made.infinite:
        raise invalid("--data", "be a finite set of points", spec, "use orthant:M")
    reference = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    points = torch.from_numpy(made.points.copy()).to(reference.dtype).reshape(-1, *shape)
    return list(torch.split(points, size))


def read_shape(text: str | None) -> tuple[int, ...] | None:
    """Read the shape of a point, such as "3,32,32".

    Examples
    --------
    >>> read_shape("3,32,32"), read_shape(None)
    ((3, 32, 32), None)
    """
    if text is None:
        return None
    try:
        lengths = tuple(int(part) for part in text.split(","))
    except ValueError:
        lengths = ()
    if not lengths or min(lengths) < 1:
        raise invalid("--input-shape", "be whole numbers of at least 1, separated by commas", text)
    return lengths


def _import(place: str, spec: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return _import_file(Path(place))
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, "")  # as `python -m` does
        return importlib.import_module(place)
    except NeuronDeathError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(f"{error.name}.")):
            raise invalid("MODEL", "name a module that can be imported from here", place) from None
        raise invalid("MODEL", "name a module that imports without an error", _with_error(spec, error)) from None
    except Exception as error:
        raise invalid("MODEL", "name a module that imports without an error", _with_error(spec, error)) from None


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise invalid("MODEL", "name a file that exists", str(path))
    found = importlib.util.spec_from_file_location(path.stem, path)
    if found is None or found.loader is None:
        raise invalid("MODEL", "name a Python file", str(path))
    module = importlib.util.module_from_spec(found)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.resolve().parent))
    found.loader.exec_module(module)
    return module


class _Unquoted:
    """A received value with an explanation, which an error message shows without quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _with_error(what: str, error: Exception) -> _Unquoted:
    lines = str(error).splitlines()
    return _Unquoted(f"{what} ({type(error).__name__}: {lines[0] if lines else ''})")
