"""Weights in fewer bits: bfloat16, and int8 with one scale per unit; how they are rounded, and how they lie in bits.

A program keeps its weights as single-precision numbers; those of a layer in fewer bits are numbers that these bits can
hold, so that every way of computing a product gives the same outputs. Rounding twice is rounding once: bfloat16 has the
upper 16 bits of a number, and a scale of int8 is short enough (16 bits of mantissa) that its multiples up to 127 are
exact, and that the largest one gives it back.

- bfloat16: each weight to 1 part in 256 (8 bits of mantissa), nearest, ties to even.
- int8: w = q s with whole q from -127 to 127 and s = max |w| / 127 over the outgoing weights of the unit, so that each
  weight is off by at most half a hundredth of the unit's largest one. Outgoing weights of a unit that are all below
  1e-30 become 0.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["PLACES", "from_bits", "in_bits", "rounded", "unit_scales"]

Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint16] | npt.NDArray[np.int8] | Floats

PLACES = {"float32": 1, "bfloat16": 2, "int8": 4}  # weights that lie in a place of 32 bits
LARGEST_WHOLE = 127
LEAST = 1e-30  # outgoing weights below it become 0: their scale would have few bits
LARGEST_HALF = 0x7F7F  # of bfloat16 that is finite
SIGN, SCALE_BITS = 0x8000, 0xFFFFFF00


def rounded(weight: Floats, precision: str) -> Floats:
    """Return weights, shape (n_outputs, n_inputs), rounded to numbers that the precision can hold."""
    return from_bits(in_bits(weight, precision), unit_scales(weight, precision), precision)


def unit_scales(weight: Floats, precision: str) -> Floats:
    """Return the scale of every unit, shape (n_inputs,); 1 where there is none."""
    scales = np.ones(weight.shape[1], np.float32)
    if precision == "int8":
        largest = np.abs(weight).max(0)
        short = ((largest / np.float32(LARGEST_WHOLE)).view(np.uint32) & np.uint32(SCALE_BITS)).view(np.float32)
        scales[largest >= LEAST] = short[largest >= LEAST]
    return scales


def in_bits(weight: Floats, precision: str) -> Bits:
    """Return the bits of weights in a precision, of the same shape."""
    if precision == "int8":
        return np.asarray(np.rint(weight / unit_scales(weight, precision)), np.int8)
    if precision == "bfloat16":
        words = np.ascontiguousarray(weight).view(np.uint32)
        even = (words >> np.uint32(16)) & np.uint32(1)
        halves = ((words + np.uint32(0x7FFF) + even) >> np.uint32(16)).astype(np.uint16)
        size = halves & np.uint16(SIGN - 1)
        return np.asarray(np.minimum(size, LARGEST_HALF) | (halves & np.uint16(SIGN)), np.uint16)
    return weight


def from_bits(bits: Bits, scales: Floats, precision: str) -> Floats:
    """Return weights from their bits and the scales of their units."""
    if precision == "int8":
        return np.asarray(bits.astype(np.float32) * scales, np.float32)
    if precision == "bfloat16":
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return np.asarray(bits, np.float32)
