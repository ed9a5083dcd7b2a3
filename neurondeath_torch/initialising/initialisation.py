r"""In-place initialisers for models of linear and convolutional layers.

    edge_of_chaos_  weights N(0, sw2 / fan_in), biases N(0, sb2) of an edge-of-chaos design: every pre-activation keeps
                    variance q*, gradients keep their size
    he_             the same without biases, sw2 = 1 / E phi(z)^2, which is 2 for ReLU
    rai_            randomised asymmetric initialisation against dying ReLU

All layers are initialised in the same way, including the last one (its outputs then have the variance of any
pre-activation), unless `output="leave"`. The theory is that of plain chains of layers: residual sums add their
variances on top. Normalisation layers set the scale of pre-activations themselves; the edge of chaos then has no
meaning, and such models are refused.

Randomness comes from `generator`, a `torch.Generator` or a seed; None draws a new seed, which the result reports.
PyTorch's global state is not used or changed, so `torch.manual_seed` has no effect here. Numbers are drawn in double
precision on the generator's device: a CPU generator gives the same model on every device.

Sources: price2024 (edge of chaos), lu2019 (arXiv 1903.06733, RAI), He et al. 2015 (arXiv 1502.01852).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_flag, invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, edge_of_chaos
from neurondeath_theory.gaussian_limit.moments import second_moment
from neurondeath_theory.networks import activations as theory
from neurondeath_theory.networks.rai import rai_constant
from neurondeath_torch.initialising._first_layer import first_layer_power
from neurondeath_torch.initialising._model_activations import check_model_activations
from neurondeath_torch.initialising._weight_draws import DISTRIBUTIONS, check_generator, draw_rai, draw_weights
from neurondeath_torch.networks.input_data import InputData, joined_inputs
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.model_checks import plain_model
from neurondeath_torch.networks.weight_layers import WeightLayer, describe_left_alone, weight_layers

__all__ = ["Initialisation", "edge_of_chaos_", "he_", "rai_"]

OUTPUTS = ("same", "leave")
NORMALISATIONS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)


@dataclass(frozen=True, kw_only=True)
class Initialisation(Result):
    """Result of an initialiser; sequences have one entry per layer.

    Attributes
    ----------
    scheme : str
        The initialiser and its variances.
    names : tuple of str
        The layers that were set.
    n_units, fan_in : tuple of int
        Their widths and fan-ins.
    weight_std, bias_std : tuple of float
        Standard deviations of the entries; bias_std is 0 for biases set to 0 and for layers without biases. For RAI,
        those of its normal entries.
    left_alone : mapping of str to str
        Other modules with parameters, and why they were not changed.
    notes : tuple of str
        What could not be checked.
    seed : int
        Seed of the generator; it reproduces the draw if the generator was new.
    """

    scheme: str
    names: tuple[str, ...]
    n_units: tuple[int, ...]
    fan_in: tuple[int, ...]
    weight_std: tuple[float, ...]
    bias_std: tuple[float, ...]
    left_alone: Mapping[str, str]
    notes: tuple[str, ...]
    seed: int

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "name": self.names,
            "n_units": self.n_units,
            "fan_in": self.fan_in,
            "weight_std": self.weight_std,
            "bias_std": self.bias_std,
        }

    def __str__(self) -> str:
        count = len(self.names)
        parts = [f"{self.scheme}: {count} layer{'s' if count > 1 else ''} set, seed {self.seed}"]
        parts += [describe_left_alone(self.left_alone)] if self.left_alone else []
        return "; ".join([*parts, *self.notes])


def edge_of_chaos_(
    model: nn.Module,
    design: EdgeOfChaos | theory.PiecewiseLinear,
    *,
    q: float | None = None,
    output: str = "same",
    first_layer_data: InputData | None = None,
    check_activations: bool = True,
    distribution: str = "normal",
    generator: torch.Generator | int | None = None,
    call: Call | None = None,
) -> Initialisation:
    """Draw a model's weights and biases on the edge of chaos.

    Parameters
    ----------
    model : torch.nn.Module
        The model, changed in place.
    design : EdgeOfChaos or PiecewiseLinear
        A result of `sparse_design` or `edge_of_chaos`, or an activation, for which `edge_of_chaos` is called.
    q : float, optional
        Variance q* when an activation is given; 1 by default.
    output : {"same", "leave"}
        Whether the last layer is drawn like the others, so that its outputs have variance q*, or left unchanged.
    first_layer_data : tensor or iterable of batches, optional
        Inputs of the model. The first layer's weight variance is then chosen so that its pre-activations have variance
        q* on these inputs; without it the design's variance is used, which gives q* only if the mean square of the
        inputs equals that of the activation's outputs. The model is run up to its first layer, in evaluation mode.
    check_activations : bool
        Whether to refuse a model whose activation modules are not the design's.
    distribution : {"normal", "uniform", "orthogonal"}
        Distribution of the weights, with the same variance; the theory is that of normal weights.
    generator : torch.Generator, int or None
        Source of randomness.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`, with `first_layer_data`.

    Returns
    -------
    Initialisation
        Layers that were set and layers that were left unchanged.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model has normalisation layers or other activations than the design, or
        the first layer's inputs are all zero. The model is then unchanged.

    Notes
    -----
    Source: price2024 (arXiv 2402.16184), edge-of-chaos variances; convolutions with fan_in = in_channels / groups times
    the kernel's size.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> from neurondeath_torch.networks.activations import from_theory
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> model = nn.Sequential(nn.Linear(784, 300), from_theory(design.activation), nn.Linear(300, 10))
    >>> done = edge_of_chaos_(model, design, generator=0)
    >>> done.names, [round(std, 3) for std in done.bias_std]
    (('0', '2'), [0.772, 0.772])
    """
    if not isinstance(design, EdgeOfChaos):
        if not isinstance(design, theory.PiecewiseLinear):
            raise invalid("design", "be an EdgeOfChaos design or an activation", type(design).__name__)
        design = edge_of_chaos(design, 1.0 if q is None else q)
    elif q is not None:
        raise invalid("q", f"be left out when a design is given, which has q = {design.q:g}", q)
    check_flag("check_activations", check_activations)
    check_choice("distribution", distribution, DISTRIBUTIONS)
    layers, left_alone = _targets(model, output)
    notes = check_model_activations(model, design.activation) if check_activations else ()
    _refuse_normalisation(model)
    variances = {layer.name: design.sigma_w2 / layer.fan_in for layer in layers}
    if first_layer_data is not None:
        points = joined_inputs("first_layer_data", called(plain_model(model), first_layer_data, call))
        first, power = first_layer_power(plain_model(model), layers, points)
        variances[first.name] = (design.q - design.sigma_b2) / power
    scheme = (
        f"edge of chaos for {design.activation} (sigma_w2 = {design.sigma_w2:.5g}, sigma_b2 = {design.sigma_b2:.5g})"
    )
    stds = [math.sqrt(variances[layer.name]) for layer in layers]
    bias_std = math.sqrt(design.sigma_b2)
    missing = [layer.name for layer in layers if layer.module.bias is None]
    if bias_std > 0.0 and missing:
        remedy = "build them with bias=True"
        raise invalid("model", f"have biases, whose variance must be {design.sigma_b2:.5g}", missing, remedy)
    return _draw(scheme, layers, stds, bias_std, distribution, generator, left_alone, notes)


def he_(
    model: nn.Module,
    activation: theory.PiecewiseLinear | None = None,
    *,
    output: str = "same",
    distribution: str = "normal",
    generator: torch.Generator | int | None = None,
) -> Initialisation:
    """Draw a model's weights so that an activation keeps the mean square of its inputs, and set biases to 0.

    Parameters
    ----------
    model : torch.nn.Module
        The model, changed in place.
    activation : PiecewiseLinear, optional
        The activation phi; ReLU by default. The weight variance is 1 / (fan_in E phi(z)^2), z standard normal; for
        activations that are not homogeneous this preserves only a variance of 1.
    output : {"same", "leave"}
        Whether the last layer is drawn like the others or left unchanged.
    distribution : {"normal", "uniform", "orthogonal"}
        Distribution of the weights, with the same variance.
    generator : torch.Generator, int or None
        Source of randomness.

    Returns
    -------
    Initialisation
        Layers that were set and layers that were left unchanged.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain or no layer can be set.

    Notes
    -----
    Source: He et al. 2015 (arXiv 1502.01852), eq. 10.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> he_(model, generator=0).weight_std
    (0.5, 0.7071067811865476)
    """
    phi = theory.relu() if activation is None else activation
    if not isinstance(phi, theory.PiecewiseLinear):
        raise invalid("activation", "be an activation of neurondeath_theory", type(phi).__name__)
    check_choice("distribution", distribution, DISTRIBUTIONS)
    power = float(second_moment(phi, 1.0))
    if power <= 0.0:
        raise invalid("activation", "not be zero everywhere", str(phi))
    layers, left_alone = _targets(model, output)
    stds = [math.sqrt(1.0 / (power * layer.fan_in)) for layer in layers]
    return _draw(f"He for {phi}", layers, stds, 0.0, distribution, generator, left_alone, ())


def rai_(model: nn.Module, *, output: str = "same", generator: torch.Generator | int | None = None) -> Initialisation:
    """Draw a model's weights and biases by randomised asymmetric initialisation.

    Parameters
    ----------
    model : torch.nn.Module
        The model, changed in place; meant for ReLU networks.
    output : {"same", "leave"}
        Whether the last layer is drawn like the others or left unchanged.
    generator : torch.Generator, int or None
        Source of randomness.

    Returns
    -------
    Initialisation
        Layers that were set and layers that were left unchanged.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain or no layer can be set.

    Notes
    -----
    A unit's row (w, b) is N(0, 0.6007^2 / fan_in); then one entry, chosen uniformly and possibly the bias, is redrawn
    from Beta(2, 1). In a layer without biases it is always a weight. Source: lu2019 (arXiv 1903.06733), section on RAI.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> print(rai_(model, generator=0))
    randomised asymmetric initialisation: 2 layers set, seed 0
    """
    layers, left_alone = _targets(model, output)
    source = check_generator(generator)
    rows = [draw_rai(layer.n_units, layer.fan_in, layer.module.bias is not None, source) for layer in layers]
    with torch.no_grad():
        for layer, row in zip(layers, rows, strict=True):
            layer.module.weight.copy_(row[:, : layer.fan_in].reshape(layer.module.weight.shape))
            if layer.module.bias is not None:
                layer.module.bias.copy_(row[:, layer.fan_in])
    stds = [rai_constant() / math.sqrt(layer.fan_in) for layer in layers]
    biases = [std if layer.module.bias is not None else 0.0 for std, layer in zip(stds, layers, strict=True)]
    return _result("randomised asymmetric initialisation", layers, stds, biases, left_alone, (), source)


def _targets(model: nn.Module, output: str) -> tuple[tuple[WeightLayer, ...], dict[str, str]]:
    """List the layers to set; the last registered layer is the output layer."""
    check_choice("output", output, OUTPUTS)
    layers, others = weight_layers(model)
    left_alone = dict(others)
    if output == "leave":
        if len(layers) == 1:
            raise invalid("output", "be 'same' for a model with a single layer", output)
        left_alone[layers[-1].name] = "the output, as asked"
        layers = layers[:-1]
    return layers, left_alone


def _draw(
    scheme: str,
    layers: Sequence[WeightLayer],
    stds: Sequence[float],
    bias_std: float,
    distribution: str,
    generator: torch.Generator | int | None,
    left_alone: Mapping[str, str],
    notes: tuple[str, ...],
) -> Initialisation:
    """Set weights and biases of given standard deviations."""
    source = check_generator(generator)
    biases = []
    with torch.no_grad():
        for layer, std in zip(layers, stds, strict=True):
            weight, bias = layer.module.weight, layer.module.bias
            groups = getattr(layer.module, "groups", 1)
            weight.copy_(draw_weights(tuple(weight.shape), std, distribution, groups, source))
            biases.append(bias_std if bias is not None else 0.0)
            if bias is not None and bias_std > 0.0:
                bias.copy_(draw_weights(tuple(bias.shape), bias_std, "normal", 1, source))
            elif bias is not None:
                bias.zero_()
    law = "" if distribution == "normal" else f", {distribution} weights"
    return _result(scheme + law, layers, stds, biases, left_alone, notes, source)


def _result(
    scheme: str,
    layers: Sequence[WeightLayer],
    stds: Sequence[float],
    biases: Sequence[float],
    left_alone: Mapping[str, str],
    notes: tuple[str, ...],
    source: torch.Generator,
) -> Initialisation:
    return Initialisation(
        scheme=scheme,
        names=tuple(layer.name for layer in layers),
        n_units=tuple(layer.n_units for layer in layers),
        fan_in=tuple(layer.fan_in for layer in layers),
        weight_std=tuple(stds),
        bias_std=tuple(biases),
        left_alone=left_alone,
        notes=notes,
        seed=source.initial_seed(),
    )


def _refuse_normalisation(model: nn.Module) -> None:
    found = [name for name, module in plain_model(model).named_modules() if isinstance(module, NORMALISATIONS)]
    if found:
        rule = "have no normalisation layers, which set the variance that the design is to set"
        raise invalid("model", rule, found, "remove them, or use he_")
