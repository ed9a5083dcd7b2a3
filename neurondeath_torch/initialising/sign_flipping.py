r"""Sign flip: negate units of a model's rectifier layers so that a guaranteed share of the data stays alive.

A layer is active at a point when one of its units has a positive pre-activation there (for a convolution or a sequence:
at some position). With A the points at which every layer so far is active, in the order in which the layers run:

    mode "layer"   negate all units of the layer if it is active on fewer than half of A
    mode "neuron"  for one unit after another, with U the points of A not yet covered by an active unit: negate the
                   unit if it is active on fewer than half of U; stop when U is empty

In each layer at most floor(|A|/2) points of A, or floor(|A|/2^n) for n units, are lost: the argument only needs one
nonzero pre-activation per unit and point, so it also holds for residual connections and convolutions. It is verified on
the data: the model is measured again after the flips and is left unchanged if the guarantee does not hold.

To negate a unit is to negate its weights and bias; with a batch norm before the activation, also that unit's shift and
running mean, which negates the normalised value whatever the shift. The distribution of sign-symmetric weights does not
change, nor do, for given inputs of a layer, the absolute values of its pre-activations.

Source: layer flip rister2020 (arXiv 2007.06192); the neuron flip is proved in `neurondeath_theory.remedies.sign_flip`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_count, check_flag, invalid
from neurondeath_theory.networks.network_bounds import quiet_set
from neurondeath_theory.remedies.sign_flip import sign_flip_guarantee
from neurondeath_torch.initialising._flip_runs import FlipRuns, unit_signs
from neurondeath_torch.initialising._followed_by import BATCH_NORMS, Site, follow_outputs
from neurondeath_torch.networks.data_passes import call as run_model
from neurondeath_torch.networks.data_passes import device_of, evaluating
from neurondeath_torch.networks.input_data import InputData, joined_inputs, n_points, on_device, split_points
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.model_checks import check_model, plain_model
from neurondeath_torch.networks.weight_layers import (
    describe_left_alone,
    every_weight_layer,
    is_transposed_linear,
    weight_layers,
)

__all__ = ["SignFlip", "sign_flip_"]

MODES = ("neuron", "layer")
TRACED = 2  # points that suffice to find what each layer feeds


@dataclass(frozen=True, kw_only=True)
class SignFlip(Result):
    """Result of a sign flip; sequences have one entry per layer, in the order of execution.

    Attributes
    ----------
    mode : str
        "neuron" or "layer".
    n_points : int
        Number of points the flips were chosen on.
    names : tuple of str
        The rectifier layers, whose units may have been negated.
    n_units, n_negated : tuple of int
        Units of each layer, and how many of them were negated.
    living_before, living_points : tuple of int
        Points at which every layer up to this one is active, before and after the flips.
    guaranteed_points : tuple of int
        Guaranteed lower bound of `living_points`.
    left_alone : mapping of str to str
        Other modules with parameters, and why they were not changed; the guarantee does not cover them.
    """

    mode: str
    n_points: int
    names: tuple[str, ...]
    n_units: tuple[int, ...]
    n_negated: tuple[int, ...]
    living_before: tuple[int, ...]
    living_points: tuple[int, ...]
    guaranteed_points: tuple[int, ...]
    left_alone: Mapping[str, str]

    @property
    def living_ratio(self) -> float:
        """Share of points at which every rectifier layer is active."""
        return self.living_points[-1] / self.n_points

    @property
    def living_ratio_before(self) -> float:
        """The same share before the flips."""
        return self.living_before[-1] / self.n_points

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "name": self.names,
            "n_units": self.n_units,
            "n_negated": self.n_negated,
            "living_before": self.living_before,
            "living_points": self.living_points,
            "guaranteed_points": self.guaranteed_points,
        }

    def __str__(self) -> str:
        count = len(self.names)
        done = f"{sum(self.n_negated)} of {sum(self.n_units)} units in {count} layer{'s' if count > 1 else ''} negated"
        living = f"{self.living_points[-1]} of {self.n_points} points alive, {self.living_before[-1]} before"
        promise = f"{self.mode} sign flip: {done}; {living}, at least {self.guaranteed_points[-1]} guaranteed"
        return f"{promise}; {describe_left_alone(self.left_alone)}" if self.left_alone else promise


def sign_flip_(
    model: nn.Module,
    loader: InputData,
    *,
    mode: str = "neuron",
    batch_size: int | None = None,
    batch_statistics: bool = False,
    call: Call | None = None,
) -> SignFlip:
    """Negate units of a model so that a guaranteed share of the data is alive in every rectifier layer.

    Parameters
    ----------
    model : torch.nn.Module
        The model, changed in place. Its rectifier layers are the linear and convolutional layers whose output goes,
        possibly through batch norm, views or max-pooling, to a ReLU or clipped ReLU, as a module or a function.
    loader : tensor or iterable of batches
        The points; of a batch that is a tuple or list, the first entry. All inputs are read once and kept in memory; a
        few thousand points of a large data set suffice, since the guarantee is the same for any set of points.
    mode : {"neuron", "layer"}
        What is negated: single units (the stronger guarantee) or whole layers.
    batch_size : int, optional
        Points per forward pass. By default all points in a single pass; otherwise the model is run once for each layer,
        up to that layer, which takes less memory and more time.
    batch_statistics : bool
        Whether batch norms normalise by the statistics of these points, as in training; by default they use their
        running statistics, as in evaluation, where a newly built batch norm changes nothing. Running statistics are not
        updated, except for the signs of running means.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`; the batch is passed as the data give
        it, on the model's device. By default a tensor, the first entry of a tuple, or a mapping by keyword without its
        labels.

    Returns
    -------
    SignFlip
        Negated units, and points alive before and after, with the guarantee.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, or the model has compiled parts or no rectifier layer.
    AssumptionError
        If the guarantee does not apply or does not hold: an activation that is not off exactly below 0 (such as a
        shifted ReLU), a layer that is called more than once or shares its weights, a normalisation that mixes units
        before the activation, pre-activations that are exactly zero or not finite. The model is then unchanged.

    Notes
    -----
    The guarantee, `sign_flip_guarantee(widths, n_points, mode)`, holds for the model as it runs here: in evaluation
    mode and in its own precision. Parameters keep their requires_grad, modules their mode. No randomness is involved.

    Examples
    --------
    >>> from neurondeath_torch.initialising.initialisation import he_
    >>> model = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(30)], nn.Linear(4, 2))
    >>> done = he_(model, generator=1)
    >>> points = torch.randn(15, 4, generator=torch.Generator().manual_seed(2))
    >>> result = sign_flip_(model, points)
    >>> result.living_points[-1], result.guaranteed_points[-1], dict(result.left_alone)
    (15, 15, {'30': 'no operation in the model reads its output'})
    """
    check_choice("mode", mode, MODES)
    check_flag("batch_statistics", batch_statistics)
    size = None if batch_size is None else check_count("batch_size", batch_size)
    if batch_statistics and size is not None:
        raise invalid("batch_size", "be None with batch_statistics, which are those of all points", batch_size)
    plain = check_model(plain_model(model))  # unwraps a compiled model, refuses compiled parts
    points = joined_inputs("loader", called(plain, loader, call))
    count = n_points(points)
    if batch_statistics and count < 2:
        raise invalid("loader", "hold at least two points with batch_statistics", count)
    layers = every_weight_layer(plain)
    device = device_of(plain)
    with evaluating(plain):
        few = on_device(split_points(points, TRACED)[0], device)
        found = follow_outputs(plain, layers, lambda: run_model(plain, few))
        sites, left_alone = _rectifier_layers(found)
        if not sites:
            raise invalid("model", "have a layer whose output goes to a ReLU", left_alone, reason=_transposed(plain))
        _, others = weight_layers(plain)
        with _normalising_by_batch(plain, batch_statistics), torch.no_grad():
            run = FlipRuns(plain, sites, points, size or count, device)
            before = run.living()
            flips = run.decide(mode)
            widths = [site.layer.n_units for site in sites]
            guaranteed = sign_flip_guarantee(widths, count, mode).living_points
            assert guaranteed is not None
            _negate(sites, flips)
            try:
                after = run.living()
                _assert_kept(sites, after, guaranteed)
            except BaseException:
                _negate(sites, flips)  # negating twice restores every bit
                raise
    # the batch norms of rectifier layers were negated with them
    norms = {site.norm for site in sites}
    negated = {name for name, module in plain.named_modules() if module in norms}
    return SignFlip(
        mode=mode,
        n_points=count,
        names=tuple(site.layer.name for site in sites),
        n_units=tuple(site.layer.n_units for site in sites),
        n_negated=tuple(int(flip.sum()) for flip in flips),
        living_before=tuple(before),
        living_points=tuple(after),
        guaranteed_points=tuple(int(promised) for promised in guaranteed),
        left_alone={**left_alone, **{name: why for name, why in others.items() if name not in negated}},
    )


def _rectifier_layers(found: Sequence[Site]) -> tuple[list[Site], dict[str, str]]:
    """Sort layers into those to flip and those to leave unchanged; refuse layers without a guarantee."""
    sites, left_alone, refused = [], {}, []
    for site in found:
        phi = site.activation
        if site.calls == 0:
            left_alone[site.layer.name] = "it was not called"
        elif phi is None:
            read = ", ".join(dict.fromkeys(site.readers))
            left_alone[site.layer.name] = (
                f"read by {read}, not by a rectifier" if read else "no operation in the model reads its output"
            )
        elif not quiet_set(phi):
            left_alone[site.layer.name] = f"its activation {phi} is never inactive"
        elif quiet_set(phi) != [(-math.inf, 0.0)]:
            refused.append(f"{site.layer.name}: its activation {phi} is not off exactly where its input is negative")
        elif site.calls > 1:
            refused.append(f"{site.layer.name}: it is called {site.calls} times in one run")
        elif site.obstacle:
            refused.append(f"{site.layer.name}: {site.obstacle}")
        else:
            sites.append(site)
    if refused:
        raise AssumptionError(f"sign_flip_ gives no guarantee for {'; '.join(refused)}")
    return sites, left_alone


def _transposed(model: nn.Module) -> str:
    """Name the layers that are not flipped because their weights are transposed; "" if there are none."""
    found = [name for name, module in model.named_modules() if is_transposed_linear(module)]
    return f"Conv1D layers, such as {found[0]}, are not flipped" if found else ""


def _negate(sites: Sequence[Site], flips: Sequence[torch.Tensor]) -> None:
    """Negate units in place; applied twice, it restores the model."""
    for site, flip in zip(sites, flips, strict=True):
        weight, bias, norm = site.layer.module.weight, site.layer.module.bias, site.norm
        weight.mul_(unit_signs(flip, weight).view(-1, *[1] * (weight.ndim - 1)))
        vectors = [bias] if norm is None else [bias, norm.bias, norm.running_mean]
        for vector in vectors:
            if isinstance(vector, torch.Tensor):
                vector.mul_(unit_signs(flip, vector))


def _assert_kept(sites: Sequence[Site], living: Sequence[int], guaranteed: Any) -> None:
    """Check that the flipped model, measured again, satisfies the guarantee."""
    for site, count, promised in zip(sites, living, guaranteed, strict=True):
        if count < promised:
            raise AssumptionError(
                f"sign_flip_ guarantees {promised} living points at {site.layer.name}, but the flipped model keeps "
                f"{count}; it does not repeat its own outputs closely enough (random layers or low precision)"
            )


@contextmanager
def _normalising_by_batch(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Make batch norms use the statistics of the batch without recording them."""
    norms = [module for module in model.modules() if wanted and isinstance(module, BATCH_NORMS)]
    tracked = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, track in zip(norms, tracked, strict=True):
            norm.training, norm.track_running_stats = False, track
