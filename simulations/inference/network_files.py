"""One file per network: a line that names the format, a JSON header, the arrays as they lie in memory, a checksum.

    MAGIC, the length of the header (8 bytes), the header, the arrays (little endian), CRC-32 (8 hex digits)

The arrays are the weights of every layer in its precision (float32, the upper 16 bits of float32, or int8), its biases
and, with int8, the scales of its units, then the vectors of the steps (float32).

Nothing in it is code and nothing is unpickled or unpacked. The header states the sizes of all arrays, which must add up
to the size of the file before memory is taken for them; then everything is checked as for any program.
"""

import json
import math
import struct
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inference.programs import LayerWeights, Program, Step
from neurondeath.simulations.inference.weight_precision import from_bits, in_bits, unit_scales
from neurondeath.simulations.inference.zeros import ZeroShares
from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.input_files import read_input_bytes
from neurondeath_theory.foundation.output_files import check_output_file
from neurondeath_theory.foundation.validation import invalid

__all__ = ["read_network", "write_network"]

MAGIC = b"neurondeath sparse network 2\n"
LENGTH = struct.Struct("<Q")
DIGITS = 8  # of the checksum
MOST_HEADER = 2**26
MOST_BYTES = 2**33
WHAT = "file of a sparse network"
NUMBER = np.dtype("<f4")
STORED: dict[str, np.dtype[Any]] = {"float32": NUMBER, "bfloat16": np.dtype("<u2"), "int8": np.dtype("i1")}
SIZES = "its arrays have other sizes than it states"
FAILURES = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, struct.error)


def write_network(path: str | Path, program: Program, zeros: ZeroShares, error: float | None = None) -> Path:
    """Write a network to a file, atomically, with the error of its outputs.

    Raises
    ------
    InvalidArgumentError
        If the folder does not exist or cannot be written to, or the path is a folder or a device.
    """
    target = check_output_file("path", path)
    parts = []
    for layer in program.layers:
        parts += [in_bits(layer.weight, layer.precision).astype(STORED[layer.precision]), layer.bias.astype(NUMBER)]
        if layer.precision == "int8":
            parts.append(unit_scales(layer.weight, layer.precision).astype(NUMBER))
    parts += [step.vector.astype(NUMBER) for step in program.steps]
    header = {
        "input_size": program.input_size,
        "layers": [
            {"name": layer.name, "shape": list(layer.weight.shape), "precision": layer.precision}
            for layer in program.layers
        ],
        "steps": [_written(step) for step in program.steps],
        "zeros": list(zeros.units),
        "skipped": zeros.skipped,
        "error": error,
    }
    text = json.dumps(header, allow_nan=False).encode()
    body = b"".join([MAGIC, LENGTH.pack(len(text)), text, *(part.tobytes() for part in parts)])
    try:
        return write_atomically(target, body + f"{zlib.crc32(body):08x}".encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise invalid("path", "name a file that can be written", str(path), reason=reason) from None


def read_network(path: str | Path) -> tuple[Program, ZeroShares, float | None]:
    """Read what `write_network` wrote.

    Raises
    ------
    InvalidArgumentError
        If there is no such file, it is torn, damaged or of another kind, or describes no network that can be run.
    """
    content = read_input_bytes("path", path, most_bytes=MOST_BYTES, what=WHAT)
    try:
        return _parsed(content)
    except InvalidArgumentError as error:
        raise invalid("path", f"name a {WHAT} that is as it was written", str(path), reason=str(error)) from None
    except MemoryError:
        raise invalid("path", f"name a {WHAT} that fits into the memory", str(path)) from None
    except FAILURES as error:
        reason = str(error) or type(error).__name__
        raise invalid("path", f"name a {WHAT} that is as it was written", str(path), reason=reason) from None


def _written(step: Step) -> dict[str, Any]:
    """Return a step as JSON holds it; an infinite height is null."""
    return {
        "kind": step.kind,
        "sources": list(step.sources),
        "layer": step.layer,
        "numbers": [None if math.isinf(value) else value for value in step.numbers],
        "vector": len(step.vector),
    }


def _parsed(content: bytes) -> tuple[Program, ZeroShares, float | None]:
    """Check and read the content of a file."""
    if not content.startswith(MAGIC):
        raise ValueError("it is of another kind, or of another version")
    body, digits = content[:-DIGITS], content[-DIGITS:]
    if digits != f"{zlib.crc32(body):08x}".encode():
        raise ValueError("it is torn or damaged: the checksum differs")
    begin = len(MAGIC) + LENGTH.size
    (length,) = LENGTH.unpack(body[len(MAGIC) : begin])
    if length > min(MOST_HEADER, len(body) - begin):
        raise ValueError("its header is longer than the file")
    header = json.loads(body[begin : begin + length], parse_constant=_refuse)
    layers, steps = _list(header["layers"]), _list(header["steps"])
    data = _Arrays(memoryview(body)[begin + length :])
    matrices = tuple(_layer(layer, data) for layer in layers)
    vectors = [data.take(NUMBER, _count(step["vector"])) for step in steps]
    if data.left:
        raise ValueError(SIZES)
    chain = [_step(step, vector) for step, vector in zip(steps, vectors, strict=True)]
    program = Program(_count(header["input_size"]), matrices, tuple(chain))
    shares = [_share(value) for value in _list(header["zeros"])]
    if len(shares) != len(program.products):
        raise ValueError("it has not one share of zeros per product")
    error = header["error"]
    if error is not None and not 0.0 <= _real(error) < math.inf:
        raise ValueError("its header has a negative error")
    return program, ZeroShares(tuple(shares), _share(header["skipped"])), None if error is None else _real(error)


class _Arrays:
    """The arrays of a file, taken one after another."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    @property
    def left(self) -> int:
        """Bytes that no array took."""
        return len(self._data)

    def take(self, dtype: np.dtype[Any], size: int) -> npt.NDArray[Any]:
        """Return the next array, of a size that the file has."""
        if size * dtype.itemsize > len(self._data):
            raise ValueError(SIZES)
        part, self._data = self._data[: size * dtype.itemsize], self._data[size * dtype.itemsize :]
        return np.frombuffer(part, dtype).astype(dtype.newbyteorder("="))


def _layer(written: Any, data: _Arrays) -> LayerWeights:
    shape = tuple(_count(side) for side in _list(written["shape"]))
    if len(shape) != 2:
        raise ValueError("a layer is not a matrix")
    precision = _text(written["precision"])
    if precision not in STORED:
        raise ValueError("a layer has an unknown precision")
    bits, bias = data.take(STORED[precision], shape[0] * shape[1]).reshape(shape), data.take(NUMBER, shape[0])
    scales = data.take(NUMBER, shape[1] if precision == "int8" else 0)
    with np.errstate(over="ignore", invalid="ignore"):  # of a hostile file: what is not finite is refused
        return LayerWeights(_text(written["name"]), from_bits(bits, scales, precision), bias, precision)


def _step(written: Any, vector: npt.NDArray[np.float32]) -> Step:
    numbers = [math.inf if value is None else _real(value) for value in _list(written["numbers"])]
    sources = tuple(_count(source) for source in _list(written["sources"]))
    layer = written["layer"]
    return Step(_text(written["kind"]), sources, -1 if layer == -1 else _count(layer), tuple(numbers), vector)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("its header has something else than a list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("its header has something else than a text")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError("its header has something else than a number of entries")
    return value


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("its header has something else than a number")
    return float(value)


def _share(value: Any) -> float:
    if not 0.0 <= _real(value) <= 1.0:
        raise ValueError("its header has a share outside [0, 1]")
    return float(value)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"its header has {constant}")
