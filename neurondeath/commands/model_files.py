"""Models, weights and data named on the command line: module:function, a file, a short specification."""

import io
import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from neurondeath.commands.model_sources import model_of_source
from neurondeath.commands.python_files import load_object, reason_of
from neurondeath.commands.token_data import TOKENS, as_tokens, random_tokens, token_batch, vocabulary
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath_theory.foundation.array_files import MOST_ENTRIES
from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_theory.foundation.input_files import input_file
from neurondeath_theory.foundation.number_text import whole_number
from neurondeath_theory.foundation.point_files import SUFFIXES, read_shaped_points
from neurondeath_theory.foundation.validation import check_count, invalid
from neurondeath_theory.foundation.zip_contents import open_zip
from neurondeath_torch.networks.called_batches import batch_tensors
from neurondeath_torch.networks.onnx_weights import load_onnx_weights
from neurondeath_torch.networks.state_dicts import plain_state

__all__ = ["load_data", "load_model", "load_weights", "named_as_arguments", "read_shape"]

IMAGE_SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
MOST_WEIGHTS = 2**35  # bytes of a file of weights
MOST_OLD_WEIGHTS = 2**31  # in the format of PyTorch before 1.6, which is one pickle
MOST_CONTENTS = 2**20  # bytes of the table of contents, about 100 per tensor
MOST_PICKLE = 2**20  # bytes of the pickle, about 150 per tensor; PyTorch reads a forged one in 4 seconds
LONGEST_SIDE = 2**31 - 1


def load_model(spec: str) -> nn.Module:
    """Build the model that "module:function" or "path/to/file.py:function" returns; it may also name a model object.

    "timm:NAME", "torchvision:NAME" and "transformers:NAME" are models of those packages.

    Raises
    ------
    InvalidArgumentError
        If there is no such module or attribute, calling it fails, or it returns no nn.Module.
    """
    named = model_of_source(spec)
    if named is not None:
        return named
    found = load_object("MODEL", spec, "my_models:build")
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise invalid("MODEL", "name a function that returns a torch.nn.Module", type(found).__name__)
    try:
        model = found()
    except NeuronDeathError:
        raise
    except (Exception, SystemExit) as error:
        raise invalid("MODEL", "work when called without arguments", spec, reason=reason_of(error)) from None
    if not isinstance(model, nn.Module):
        raise invalid("MODEL", "return a torch.nn.Module", type(model).__name__)
    return model


@contextmanager
def named_as_arguments(batches: Sequence[Any], input_shape: str | None) -> Iterator[None]:
    """Name MODEL and --data in errors about a model that runs on batches, and turn the model's own errors into ours."""
    try:
        yield
    except InvalidArgumentError as error:
        message = str(error)
        for name, argument in (("`model`", "`MODEL`"), ("`data`", "`--data`")):
            if message.startswith(name):
                message = argument + message.removeprefix(name)
        raise InvalidArgumentError(message) from None
    except NeuronDeathError:
        raise
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:  # the model's own forward pass failed
        lines = str(error).splitlines()
        points = batch_tensors(batches[0])[0]
        received = f"points of shape {tuple(points.shape[1:])}"
        shape = "; check --input-shape" if input_shape is not None else ""
        remedy = f"the model raised {type(error).__name__}: {lines[0] if lines else ''}{shape}"
        raise invalid("MODEL", "accept the data", received, remedy) from None


def load_weights(model: nn.Module, path: str) -> None:
    """Load a complete state dict from a file written by torch.save, or the constants of an ONNX file (.onnx).

    The state may lie in a checkpoint under state_dict or model, and have the prefixes of wrappers.

    Raises
    ------
    InvalidArgumentError
        If the file is missing or broken, holds more than tensors, or does not fit the model.
    """
    if path.lower().endswith(".onnx"):
        load_onnx_weights(model, path, argument="--weights")
        return
    with input_file("--weights", path, most_bytes=MOST_WEIGHTS) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on formats of old versions of PyTorch, and of damaged files
        _check_size(path, file)
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # the errors of torch.load have no common class
            rule = "be a file of tensors alone, as torch.save(model.state_dict(), path) writes it"
            raise invalid("--weights", rule, path, reason=f"torch.load raised {type(error).__name__}") from None
    state = plain_state(state, model.state_dict())
    if isinstance(state, dict):
        _check_tensors(model, path, state)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        reasons = [line.strip() for line in str(error).splitlines()]
        raise invalid("--weights", "fit the model", path, reason=reasons[min(1, len(reasons) - 1)]) from None


def _check_size(path: str, file: BinaryIO) -> None:
    """Refuse files that would unpack to much more than their size, or take minutes to unpickle."""
    is_archive = file.read(4) == b"PK\x03\x04"  # what PyTorch looks at
    size = file.seek(0, io.SEEK_END)
    if is_archive:
        try:
            with open_zip(file, most_contents=MOST_CONTENTS) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise invalid("--weights", "be a whole file as torch.save writes it", path, reason=str(error)) from None
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise invalid("--weights", "be a file as torch.save writes it", path, reason="compressed")
        if any(entry.filename.endswith(".pkl") and entry.file_size > MOST_PICKLE for entry in entries):
            raise invalid("--weights", f"have a list of tensors of at most {MOST_PICKLE} bytes", path)
    elif size > MOST_OLD_WEIGHTS:
        rule = f"have at most {MOST_OLD_WEIGHTS} bytes in the format of PyTorch before 1.6"
        raise invalid("--weights", rule, path)
    file.seek(0)


def _check_tensors(model: nn.Module, path: str, state: dict[Any, Any]) -> None:
    """Refuse what `load_state_dict` reads with an error of its own, or with a loss."""
    own = model.state_dict()
    for key, value in state.items():
        if not isinstance(key, str):
            raise invalid("--weights", "name its tensors by strings", path, reason=f"a name of {type(key).__name__}")
        if isinstance(value, torch.Tensor) and value.is_complex() and key in own and not own[key].is_complex():
            raise invalid("--weights", "fit the model", path, reason=f"{key} is complex")


def load_data(model: nn.Module, spec: str, shape: tuple[int, ...] | None, batch_size: int, seed: int) -> list[Any]:
    """Return the batches of a data specification in the shape that the first layer of the model reads.

    Parameters
    ----------
    model : nn.Module
        Determines shape and dtype: flat points for a linear first layer, images of known sets for a convolution.
    spec : str
        digits, mnist or cifar10, with or without :M, a random set such as gaussian:M, tokens:M for models that begin
        with an embedding, or a .npy or .npz file with one point per entry of its first axis.
    shape : tuple of int or None
        Shape of one point; None if the data, the first layer or the model imply it.
    batch_size, seed : int
        Points per batch, and input seed.

    Raises
    ------
    InvalidArgumentError
        If the data are unknown or do not fit the shape.
    """
    size = check_count("--batch-size", batch_size)
    kind = spec.partition(":")[0]
    known = vocabulary(model)
    if kind == TOKENS:
        return [token_batch(model, part) for part in torch.split(random_tokens(spec, known, shape, seed), size)]
    flat, own = read_shaped_points("--data", Path(spec)) if Path(spec).suffix in SUFFIXES else (spec, ())
    if shape is None:
        shape = _implied_shape(model, kind, own, known is not None)
    dimension = math.prod(shape)
    if dimension > MOST_ENTRIES:
        raise invalid("--input-shape", f"have at most {MOST_ENTRIES} numbers", shape)
    made = input_set(flat, dimension=dimension, seed=seed, name="--data")
    if made.infinite:
        raise invalid("--data", "be a finite set of points", spec, "use orthant:M")
    if known is not None:
        tokens = as_tokens(spec, made.points.copy(), known).reshape(-1, *shape)
        return [token_batch(model, part) for part in torch.split(tokens, size)]
    reference = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    points = torch.from_numpy(made.points.copy()).to(reference.dtype).reshape(-1, *shape)
    if not bool(torch.isfinite(points).all()):
        raise invalid("--data", f"lie in the range of the model's numbers, {reference.dtype}", spec)
    return list(torch.split(points, size))


def _implied_shape(model: nn.Module, kind: str, own: tuple[int, ...], tokens: bool) -> tuple[int, ...]:
    """Return the shape of a point that the data or the model imply.

    That is the shape of images and sequences in a file, and what the first layer reads, or the model says of itself.
    """
    first = next((part for part in model.modules() if isinstance(part, (nn.Linear, nn.modules.conv._ConvNd))), None)
    if isinstance(first, nn.Linear) and (len(own) < 2 or (own[-1] != first.in_features == math.prod(own))):
        return own if tokens and own else (first.in_features,)
    if len(own) > 1 or (own and tokens):
        return own
    if isinstance(first, nn.Conv2d) and kind in IMAGE_SHAPES:
        return IMAGE_SHAPES[kind]
    config: Any = getattr(model, "config", None)  # of transformers
    side, channels = getattr(config, "image_size", None), getattr(config, "num_channels", None)
    if isinstance(side, int) and isinstance(channels, int):
        return channels, side, side
    stated: Any = getattr(model, "default_cfg", None)  # of timm
    if isinstance(stated, dict) and stated.get("input_size"):
        return tuple(int(length) for length in stated["input_size"])
    raise invalid("--input-shape", "be given: the first layer of the model does not imply it", None, "as in 3,32,32")


def read_shape(text: str | None) -> tuple[int, ...] | None:
    """Read the shape of a point, such as "3,32,32".

    Examples
    --------
    >>> read_shape("3,32,32"), read_shape(None)
    ((3, 32, 32), None)
    """
    if text is None:
        return None
    numbers = [whole_number(part) for part in text.split(",")]
    lengths = tuple(number for number in numbers if number is not None and 1 <= number <= LONGEST_SIDE)
    if len(lengths) < len(numbers):
        rule = f"be whole numbers from 1 to {LONGEST_SIDE}, separated by commas"
        raise invalid("--input-shape", rule, text)
    return lengths
