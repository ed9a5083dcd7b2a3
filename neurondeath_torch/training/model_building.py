"""Build a model from its configuration: activation, layers and initialisation."""

import inspect
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, edge_of_chaos, sparse_design
from neurondeath_theory.networks.activations import FAMILIES, leaky_relu, relu
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.trainability.tailored_slope import tailored_slope
from neurondeath_torch.initialising.initialisation import edge_of_chaos_, he_, rai_
from neurondeath_torch.initialising.looks_linear import looks_linear_
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.initialising.sign_flipping import sign_flip_
from neurondeath_torch.networks.activations import from_theory
from neurondeath_torch.training.configuration import TAILORED, ModelChoice
from neurondeath_torch.training.models import MODELS, hidden_widths, plain_convolutions
from neurondeath_torch.training.random_seeds import seed_of
from neurondeath_torch.training.shortcuts import with_shortcuts

__all__ = ["build_model", "check_options", "design_of"]

Shape = tuple[int, int, int]
_solved = lru_cache(maxsize=64)(sparse_design)  # cached, since every network of a study needs it
CNN_DEPTH = inspect.signature(plain_convolutions).parameters["depth"].default
SET_BY_EXPERIMENT = ("shape", "n_classes", "activation")  # arguments of every builder that are not options


def design_of(choice: ModelChoice) -> EdgeOfChaos:
    """Return the edge-of-chaos design of a choice's activation at its q.

    Raises
    ------
    InvalidArgumentError
        If there is no such design.
    """
    if choice.sparsity is not None:
        return _solved(choice.activation, choice.sparsity, v_prime=choice.v_prime, m=choice.m, q=choice.q)
    if choice.activation in ("relu", TAILORED):
        return edge_of_chaos(_activation(choice), q=choice.q)
    thresholds = [value for value in (choice.tau, choice.m) if value is not None]
    return edge_of_chaos(FAMILIES[choice.activation](*thresholds), q=choice.q)


def check_options(choice: ModelChoice) -> None:
    """Check that the options of a choice are keywords of its kind of model.

    Raises
    ------
    InvalidArgumentError
        If an option is unknown.
    """
    known = [name for name in inspect.signature(MODELS[choice.kind]).parameters if name not in SET_BY_EXPERIMENT]
    for name, value in choice.options.items():
        if name not in known:
            raise invalid(f"model.{name}", f"be one of {', '.join(known)} for {choice.kind}", value)


def build_model(
    choice: ModelChoice, shape: Shape, n_classes: int, *, seed: int = 0, images: Tensor | None = None
) -> nn.Module:
    """Build and initialise a model.

    Parameters
    ----------
    choice : ModelChoice
        The configuration of the model.
    shape : tuple of int
        Channels, rows, columns of an image.
    n_classes : int
        Number of logits.
    seed : int
        Seed of the weights.
    images : tensor, shape (n, channels, rows, columns), optional
        Training images: an edge-of-chaos initialisation scales its first layer to them, a sign flip is chosen on them.

    Returns
    -------
    nn.Module
        The model, on the CPU.

    Raises
    ------
    InvalidArgumentError
        If a keyword is unknown or out of its domain, or the initialisation does not fit the model.

    Examples
    --------
    >>> build_model(ModelChoice(options={"widths": [5]}), (1, 8, 8), 10)
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=64, out_features=5, bias=True)
      (2): ReLU()
      (3): Linear(in_features=5, out_features=10, bias=True)
    )
    """
    check_options(choice)
    build = MODELS[choice.kind]
    phi = _activation(choice)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, 0, "weights"))
        model = build(shape, n_classes, lambda: _module(phi), **choice.options)
        if choice.residual and choice.effective_depth is None:
            model = with_shortcuts(cast(nn.Sequential, model))
    generator = torch.Generator().manual_seed(seed_of(seed, 1, "weights"))
    if choice.effective_depth is not None:
        residual_(
            model,
            choice.effective_depth,
            design=design_of(choice),
            generator=generator,
            first_layer_data=images,
            normalise=choice.normalise,
        )
    elif choice.initialisation == "he":
        he_(model, phi, generator=generator)
    elif choice.initialisation == "rai":
        rai_(model, generator=generator)
    elif choice.initialisation == "looks-linear":
        looks_linear_(model, generator=generator, first_layer_data=images)
    elif choice.initialisation == "edge-of-chaos":
        edge_of_chaos_(model, design_of(choice), first_layer_data=images, generator=generator)
    if choice.sign_flip != "none":
        if images is None:
            raise invalid("images", "be given for a sign flip", None)
        sign_flip_(model, images, mode=choice.sign_flip)
    if choice.fixed_biases:
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)) and module.bias is not None:
                module.bias.requires_grad_(False)
    return model


def _module(phi: PiecewiseLinear) -> nn.Module:
    if phi.family == "leaky-relu":
        return nn.LeakyReLU(phi.parameters["negative_slope"])
    return from_theory(phi)


def _activation(choice: ModelChoice) -> PiecewiseLinear:
    if choice.activation == "relu":
        return relu()
    if choice.activation == TAILORED:
        options = dict(choice.options)
        options.pop("batch_norm", None)
        depth = len(hidden_widths(**options)) if choice.kind == "mlp" else int(options.get("depth", CNN_DEPTH))
        return leaky_relu(tailored_slope(depth).negative_slope)
    return design_of(choice).activation
