r"""Rewire the equal-width runs of a model into critical residual streams, in place.

A run h_l = W_l phi(h_{l-1}) + b_l of layers of equal width becomes

    h_l = sqrt(1 - a^2) h_{l-1} + a (W_l phi(h_{l-1}) + b_l),    a^2 = D / L,

L the number of such layers, with weights at the edge of chaos of phi at q*. The layer before the run stays outside the
sum and begins the stream: its output is brought to mean square q*, for every input by itself (a norm without
parameters, the mean over units and positions) or, with normalise="data", by one factor measured on data. With
normalise="layers" this is done for every input too, and every activation then reads the stream brought to mean 0 and
to q* (see `normalised_layers`): training changes the size of a stream, and this holds its zeros. What this
keeps is stated by `neurondeath_theory.trainability.critical_residual`, the correction of zero-padded convolutions by
`padded_residual`; the arithmetic is in `neurondeath_torch.networks.residual_stream`.

Which models: one chain of modules, `nn.Sequential` or a forward of its own that calls its layers one after another,
each once, activations as modules or functions. The forward pass is recorded; a model with sums, concatenations, several
readers of one result within a run, or normalisation is refused. Between h and the next layer only the activation, views
and dropout may lie: pooling, flattening or a change of width ends a stream, and the layer after it may begin another.

Parameters stay the same objects under the same names, so `state_dict` keeps its keys: the mapping is the identity; with
normalise="layers" the layers of a stream add their gains, `stream_gain`, for activations with a threshold. The scales
a, q* and the factor of normalise="data" are numbers of the hooks, not part of the state. A state is loaded into
a model that was rewired with the same arguments, whatever weights it drew; with initialise=False, pass the design too,
or rewire after loading the plain weights, since q* is then read off the weights.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from neurondeath_theory.foundation.validation import check_choice, check_flag, check_instance, check_real, invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, edge_of_chaos
from neurondeath_theory.gaussian_limit.fixed_points import FixedPoints, fixed_points
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_torch.initialising._forward_graph import Node
from neurondeath_torch.initialising._model_activations import same_function
from neurondeath_torch.initialising._residual_runs import Run, residual_runs
from neurondeath_torch.initialising._stream_start import measured_factor
from neurondeath_torch.initialising._trial_run import trial_run
from neurondeath_torch.initialising.initialisation import Initialisation, edge_of_chaos_
from neurondeath_torch.initialising.residual_rewiring import ResidualRewiring
from neurondeath_torch.networks.input_data import InputData, joined_inputs
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.model_checks import check_model
from neurondeath_torch.networks.normalised_layers import Normalisation, forget_gain, prepare_gain
from neurondeath_torch.networks.residual_stream import (
    Stream,
    StreamBranch,
    StreamStart,
    forget_border,
    prepare_border,
    stream_layer,
)

__all__ = ["residual_"]

NORMALISE = ("input", "data", "layers")


def residual_(
    model: nn.Module,
    effective_depth: float = 1.0,
    *,
    initialise: bool = True,
    design: EdgeOfChaos | None = None,
    generator: torch.Generator | int | None = None,
    first_layer_data: InputData | None = None,
    normalise: str = "input",
    call: Call | None = None,
) -> ResidualRewiring:
    """Rewire the equal-width runs of a model into critical residual streams, and draw its weights.

    Parameters
    ----------
    model : torch.nn.Module
        The model, changed in place; see the module docstring for which models. It is run once, in evaluation mode.
    effective_depth : float
        D, the sum of a^2 over all branches, in (0, number of branches]; 1 to 4 train well, D = L is the plain network.
    initialise : bool
        Whether to draw all layers at the edge of chaos, the output too, as `edge_of_chaos_`. If False, weights are kept
        and the result reports the fixed point they imply; note that the model then computes another function.
    design : EdgeOfChaos, optional
        Design whose activation is the model's; by default that of the model's activation at q* = 1.
    generator : torch.Generator, int or None
        Source of randomness.
    first_layer_data : tensor or iterable of batches, optional
        Inputs of the model, for the recorded run and for normalise="data". Without them zeros of the size of the first
        layer are passed, for convolutions images of several common sizes in turn.
    normalise : {"input", "data", "layers"}
        Whether h_0 is brought to q* for every input by itself, or by one factor, in the mean over `first_layer_data`;
        or h_0 for every input and what every layer reads, which holds the share of zeros in training.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`, with `first_layer_data`.

    Returns
    -------
    ResidualRewiring
        Layers of the streams, scales, q* and the fixed points.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, or the model is compiled, already rewired, no such chain, without a run,
        with different or smooth activations in its runs, without biases that the design needs, or normalised layer by
        layer with a single unit. The model is then unchanged.

    Notes
    -----
    Exact at infinite width: q*, the share of zeros P(phi = 0) and the gradients' mean square are kept in every layer.
    Forward hooks hold the stream, so the model can be copied, pickled and compiled as before; but layers of a stream
    cannot be called alone, nor be recomputed in parts by activation checkpointing.

    Examples
    --------
    >>> layers = [part for _ in range(50) for part in (nn.ReLU(), nn.Linear(16, 16))]
    >>> model = nn.Sequential(nn.Linear(8, 16), *layers, nn.ReLU(), nn.Linear(16, 4))
    >>> print(residual_(model, 1.0, generator=0))
    critical residual relu: 50 branches in 1 stream, effective depth 1 (a = 0.141), q* = 1; inputs brought to q* one \
by one; weights drawn, seed 0; outside: 102: its output has another shape than that of the layer before it
    """
    check_flag("initialise", initialise)
    check_choice("normalise", normalise, NORMALISE)
    depth = check_real("effective_depth", effective_depth, low=0.0, low_open=True)
    if design is not None:
        check_instance("design", design, EdgeOfChaos, "an edge-of-chaos design", "use edge_of_chaos or sparse_design")
    if normalise == "data" and first_layer_data is None:
        raise invalid("first_layer_data", "be given with normalise='data'", None, "pass inputs of the model")
    found = stream_layer(check_model(model))
    if found is not None:
        remedy = "load the state of the plain model into a new one to start again"
        raise invalid("model", "not have been rewired before", found, remedy)
    points = (
        None if first_layer_data is None else joined_inputs("first_layer_data", called(model, first_layer_data, call))
    )
    nodes = trial_run(model, points)
    runs, phi, outside = residual_runs(nodes, design.activation if design is not None else None)
    n_branches = sum(len(run.branches) for run in runs)
    if depth > n_branches:
        rule = f"be at most the number of branches, {n_branches}"
        raise invalid("effective_depth", rule, depth, "D = L is the plain network")
    single = [node.name for run in runs for node in run.branches if math.prod(node.input_shape[1:]) == 1]
    if normalise == "layers" and single:
        rule = "have two or more units in every layer to be normalised"
        raise invalid("model", rule, ", ".join(single), "leave out normalise='layers'")
    if initialise:
        _check_activations(nodes, phi)
        design = design or edge_of_chaos(phi)
    share = depth / n_branches
    state = copy.deepcopy(model.state_dict())
    drawn: Initialisation | None = None
    handles: list[Any] = []
    factors: list[float] = []
    try:
        if initialise and design is not None:
            drawn = edge_of_chaos_(model, design, check_activations=False, generator=generator)
        fixed, notes = _implied(runs, phi, design, initialise)
        q = design.q if design is not None else _start_variance(fixed)
        read = Normalisation.of(phi, q) if normalise == "layers" else None
        for run in runs:
            start = _rewire(run, share, None if normalise == "data" else q, read, handles)
            if normalise == "data" and points is not None:
                start.factor = measured_factor(model, run.start, points, q)
                factors.append(start.factor)
    except BaseException:
        _take_back(model, runs, handles, state)
        raise
    stream_layers = [(node, role) for run in runs for node, role in _roles(run)]
    variances = [_variances(node) for node, _ in stream_layers]
    return ResidualRewiring(
        effective_depth=depth,
        branch_scale=math.sqrt(share),
        activation=phi,
        names=tuple(node.name for node, _ in stream_layers),
        roles=tuple(role for _, role in stream_layers),
        n_units=tuple(node.layer.n_units for node, _ in stream_layers if node.layer),
        sigma_w2=tuple(weight for weight, _ in variances),
        sigma_b2=tuple(bias for _, bias in variances),
        q=q,
        normalise=normalise,
        start_factors=tuple(factors),
        fixed_points=fixed,
        initialisation=drawn,
        outside=outside,
        notes=notes,
    )


def _check_activations(nodes: Sequence[Node], phi: PiecewiseLinear) -> None:
    """Refuse other activations before the last layer, whose layers the design's variances would not suit."""
    last = max(index for index, node in enumerate(nodes) if node.kind == "layer")
    others = [f"{node.name}: {node.form or node.kind}" for node in nodes[:last] if _is_other(node, phi)]
    if others:
        remedy = "use one activation, or initialise=False after an initialisation of your own"
        raise invalid("model", f"have the activation {phi} throughout to be initialised", ", ".join(others), remedy)


def _is_other(node: Node, phi: PiecewiseLinear) -> bool:
    return node.kind == "activation" and (node.form is None or not same_function(node.form, phi))


def _roles(run: Run) -> list[tuple[Node, str]]:
    return [(run.start, "start"), *((node, "branch") for node in run.branches)]


def _rewire(run: Run, share: float, q: float | None, read: Normalisation | None, handles: list[Any]) -> StreamStart:
    """Register the hooks of one stream; q is None if it starts by a fixed factor."""
    stream, keep = Stream(), math.sqrt(1.0 - share)
    start = StreamStart(stream, keep, q, read=read)
    for node, role in _roles(run):
        assert node.module is not None
        prepare_border(node.module, tuple(node.input_shape[2:]))
        if read is not None:
            prepare_gain(node.module, read)
        last = node is run.branches[-1]
        hook = start if role == "start" else StreamBranch(stream, keep, math.sqrt(share), last, read=read)
        handles.append(node.module.register_forward_hook(hook))
    return start


def _take_back(model: nn.Module, runs: Sequence[Run], handles: Sequence[Any], state: Mapping[str, Any]) -> None:
    """Remove the hooks and buffers, and restore the weights."""
    for handle in handles:
        handle.remove()
    for run in runs:
        for node, _ in _roles(run):
            forget_border(node.module)
            forget_gain(node.module)
    model.load_state_dict(state)


def _variances(node: Node) -> tuple[float, float]:
    """Mean square of the weights times fan-in, and of the biases."""
    assert node.layer is not None
    weight, bias = node.layer.module.weight.detach(), node.layer.module.bias
    mean = float(weight.double().square().mean()) * node.layer.fan_in
    return mean, 0.0 if bias is None else float(bias.detach().double().square().mean())


def _implied(
    runs: Sequence[Run], phi: PiecewiseLinear, design: EdgeOfChaos | None, initialised: bool
) -> tuple[FixedPoints, tuple[str, ...]]:
    """Return the fixed points of the weights' variances, and what kept weights imply."""
    if initialised and design is not None:
        return design.fixed_points, ()
    found = [_variances(node) for run in runs for node in run.branches]
    weight, bias = (sum(values) / len(found) for values in zip(*found, strict=True))
    points = fixed_points(phi, weight, bias)
    stable = _stable(points)
    implied = f"kept weights have sigma_w2 = {weight:.4g} and sigma_b2 = {bias:.4g} on average"
    if stable is not None:
        reached = (
            f"their fixed point is q = {stable.q:.4g} with chi_1 = {stable.chi1:.3g} and V' = {stable.v_prime:.3g}"
        )
    else:
        reached = str(points) + ", so they keep no variance above 0"
    if points.continuum:
        reached = str(points)
    return points, (f"{implied}; {reached}",)


def _stable(points: FixedPoints) -> Any:
    return next((point for point in points.points if point.stable and point.q > 0.0), None)


def _start_variance(points: FixedPoints) -> float:
    """Return the stable fixed point above 0, or 1 where there is none."""
    stable = _stable(points)
    return 1.0 if stable is None else float(stable.q)
