r"""The description of a random rectifier network, shared by theory, simulation and figures.

A network is a law, not a sample: widths $n_1..n_k$, input dimension $n_0$, activation and the distribution of
$(W_l, b_l)$. Weights have variance $\sigma_w^2 / n_{l-1}$, biases $\sigma_b^2$.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory._validation import check_choice, check_count, check_real, check_widths, invalid
from neurondeath_theory.activations import PiecewiseLinear, relu

__all__ = ["HE_VARIANCE", "Network"]

HE_VARIANCE = 2.0  # He et al. 2015: keeps E x^2 through a ReLU layer
ARCHITECTURES = ("plain",)
INITS = ("he", "gaussian")
SIGN_FLIPS = ("none",)


@dataclass(frozen=True, init=False)
class Network:
    r"""A random rectifier network.

    Parameters
    ----------
    widths : sequence of int, shape (k,)
        Widths of the hidden layers, each at least 1.
    input_dim : int, optional
        Input dimension; the first width if not given.
    architecture : {"plain"}
        How layers are joined.
    activation : PiecewiseLinear
        The activation; `relu()` for now.
    init : {"he", "gaussian"}
        Gaussian weights, of variance 2 / fan_in ("he") or `weight_variance` / fan_in ("gaussian").
    weight_variance : float, optional
        $\sigma_w^2$ of the "gaussian" init, above 0.
    bias_variance : float
        $\sigma_b^2$, the variance of the Gaussian biases, at least 0; 0 means no biases.
    sign_flip : {"none"}
        Correction of signs at initialisation.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain or the arguments do not fit together.

    Examples
    --------
    >>> network = Network([8, 8, 16], input_dim=64)
    >>> print(network)
    plain relu network 64 -> 8x2 -> 16, he init
    """

    widths: tuple[int, ...]
    input_dim: int
    architecture: str
    activation: PiecewiseLinear
    init: str
    weight_variance: float
    bias_variance: float
    sign_flip: str
    fan_ins: tuple[int, ...] = field(repr=False, compare=False)

    def __init__(
        self,
        widths: Sequence[int] | npt.NDArray[np.integer[Any]],
        *,
        input_dim: int | None = None,
        architecture: str = "plain",
        activation: PiecewiseLinear | None = None,
        init: str = "he",
        weight_variance: float | None = None,
        bias_variance: float = 0.0,
        sign_flip: str = "none",
    ) -> None:
        layers = tuple(check_widths("widths", widths).tolist())
        dimension = layers[0] if input_dim is None else check_count("input_dim", input_dim)
        phi = relu() if activation is None else activation
        if phi != relu():
            raise invalid("activation", "be relu()", str(phi))
        init = check_choice("init", init, INITS)
        if init == "he" and weight_variance is not None:
            raise invalid("weight_variance", "be left out of the he init", weight_variance, 'use init="gaussian"')
        if init == "gaussian" and weight_variance is None:
            raise invalid("weight_variance", "be given for the gaussian init", None, "pass weight_variance=2.0")
        sigma_w2 = HE_VARIANCE
        if weight_variance is not None:
            sigma_w2 = check_real("weight_variance", weight_variance, low=0.0, low_open=True)
        values = {
            "widths": layers,
            "input_dim": dimension,
            "architecture": check_choice("architecture", architecture, ARCHITECTURES),
            "activation": phi,
            "init": "he" if sigma_w2 == HE_VARIANCE else init,  # one law, one description
            "weight_variance": sigma_w2,
            "bias_variance": check_real("bias_variance", bias_variance, low=0.0),
            "sign_flip": check_choice("sign_flip", sign_flip, SIGN_FLIPS),
            "fan_ins": (dimension, *layers[:-1]),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def depth(self) -> int:
        """Number of hidden layers k."""
        return len(self.widths)

    @property
    def has_bias(self) -> bool:
        """Whether the layers have random biases."""
        return self.bias_variance > 0.0

    def description(self) -> dict[str, Any]:
        """Describe the law in plain data; whatever has its default value is left out, so new options change nothing.

        Widths are run-length encoded as [width, layers] pairs.
        """
        plain: dict[str, Any] = {
            "widths": [[width, len(list(run))] for width, run in groupby(self.widths)],
            "input_dim": self.input_dim,
        }
        if self.init != "he":
            plain["init"] = self.init
            plain["weight_variance"] = self.weight_variance
        if self.has_bias:
            plain["bias_variance"] = self.bias_variance
        return plain

    @classmethod
    def from_description(cls, plain: dict[str, Any]) -> "Network":
        """Rebuild a network from its description."""
        rest = {name: value for name, value in plain.items() if name != "widths"}
        return cls([width for width, count in plain["widths"] for _ in range(count)], **rest)

    def __str__(self) -> str:
        runs = [f"{width}x{count}" if count > 1 else f"{width}" for width, count in self.description()["widths"]]
        law = f"{self.init} init" + ("" if self.init == "he" else f" (sw2 {self.weight_variance:g})")
        biases = f", bias variance {self.bias_variance:g}" if self.has_bias else ""
        return f"{self.architecture} {self.activation} network {self.input_dim} -> {' -> '.join(runs)}, {law}{biases}"
