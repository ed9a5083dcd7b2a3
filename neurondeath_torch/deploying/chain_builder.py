"""Put a program for sparse inference together, step by step, from tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neurondeath.simulations.inference.activation_steps import activation_steps
from neurondeath.simulations.inference.programs import LayerWeights, Program, Step
from neurondeath_theory.networks import activations as theory
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["ChainBuilder", "row_of"]

Floats = npt.NDArray[np.float32]


class ChainBuilder:
    """Collects steps; a value is the number of the step that computes it, counted from 1, or 0 for the input.

    Parameters
    ----------
    input_size : int
        Size of an input.
    """

    def __init__(self, input_size: int) -> None:
        self.input_size = input_size
        self._steps: list[Step] = []
        self._layers: list[LayerWeights] = []
        self._known: dict[tuple[int, int], int] = {}  # identities of weight and bias -> layer
        self._kept: list[object] = []  # so that no other tensor takes such an identity

    def program(self, output: int) -> Program:
        """Return the program that ends with a value, with the layers that its products use."""
        steps = self._steps[:output]
        used = sorted({step.layer for step in steps if step.kind == "product"})
        place = {layer: number for number, layer in enumerate(used)} | {-1: -1}
        steps = [Step(step.kind, step.sources, place[step.layer], step.numbers, step.vector) for step in steps]
        return Program(self.input_size, tuple(self._layers[layer] for layer in used), tuple(steps))

    def add(self, kind: str, *sources: int, numbers: Sequence[float] = (), vector: Floats | None = None) -> int:
        """Add a step that is no product; return its value."""
        held = np.zeros(0, np.float32) if vector is None else vector
        self._steps.append(Step(kind, sources, -1, tuple(float(value) for value in numbers), held))
        return len(self._steps)

    def product(self, source: int, name: str, weight: torch.Tensor, bias: torch.Tensor | None) -> int:
        """Add W x + b; return its value."""
        key = (id(weight), id(bias))
        if key not in self._known:
            biases = np.zeros(len(weight), np.float32) if bias is None else row_of(bias)
            self._layers.append(LayerWeights(name, _matrix(weight), biases))
            self._known[key] = len(self._layers) - 1
            self._kept.append((weight, bias))
        self._steps.append(Step("product", (source,), self._known[key]))
        return len(self._steps)

    def affine(self, source: int, scale: npt.NDArray[Any], shift: npt.NDArray[Any], *, foldable: bool) -> int:
        """Scale and shift every entry; with `foldable`, in the weights of the product that computes the value."""
        step = self._steps[source - 1] if source else None
        if not foldable or step is None or step.kind != "product":
            return self.add("affine", source, vector=np.concatenate([scale, shift]).astype(np.float32))
        layer = self._layers[step.layer]
        weight, bias = layer.weight.astype(np.float64), layer.bias.astype(np.float64)
        folded = (weight * scale[:, None]).astype(np.float32), (bias * scale + shift).astype(np.float32)
        self._layers.append(LayerWeights(layer.name, *folded))
        self._steps[source - 1] = Step("product", step.sources, len(self._layers) - 1)
        return source

    def activation(self, source: int, phi: PiecewiseLinear) -> int:
        """Apply an activation of the theory."""
        self._steps += activation_steps(phi, source)
        return len(self._steps) if phi != theory.identity() else source


def row_of(tensor: torch.Tensor) -> Floats:
    """Return the entries of a tensor as one row in single precision."""
    row: Floats = tensor.detach().cpu().to(torch.float32).reshape(-1).numpy().copy()
    return row


def _matrix(weight: torch.Tensor) -> Floats:
    matrix: Floats = np.ascontiguousarray(weight.detach().cpu().to(torch.float32).to_dense().numpy())
    return matrix.copy()
