r"""Resample dead features of a sparse autoencoder towards the inputs that it reconstructs worst.

For each of the units an input x is drawn, as the layer reads it (less a pre-encoder bias), with probability
proportional to the square of the loss at it, without replacement while there are inputs left. With v = x / |x|,

    row of the encoder = scale * (mean length of the rows of the other units) * v,  its bias 0,
    column of the decoder = (mean length of the columns of the other units) * v,

and the optimiser's state of all these weights is 0. A decoder tied to the encoder has the new row as its column; a
layer that reads the units but does not write as many numbers as the encoder reads gets zeros.

Source: Bricken et al. 2023, Towards Monosemanticity (Transformer Circuits), "neuron resampling", with scale 0.2 and
columns of unit length. With TopK a new feature has to compete with the live ones: at 0.2 most of the dead features of
an autoencoder of hidden activations (`docs/questions/sparse-autoencoders.md`) fire again, at 0.5 and more new features
take the place of live ones, and the loss rises for some hundred steps.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_count, check_real, invalid
from neurondeath_torch.networks.called_batches import CalledBatch
from neurondeath_torch.networks.data_passes import call as run_model
from neurondeath_torch.networks.data_passes import device_of, evaluating, output_tensors
from neurondeath_torch.networks.input_data import Inputs, input_batches, on_device
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.model_checks import check_model, original_model
from neurondeath_torch.networks.sparse_codes import TiedLinear
from neurondeath_torch.networks.tensor_flow import tensors_of
from neurondeath_torch.networks.weight_layers import unit_axis
from neurondeath_torch.surgery.optimiser_state import check_entries, check_optimiser, clear_entries
from neurondeath_torch.surgery.resetting import Reset, Units, reset_plan, selected_entries, stream_seed
from neurondeath_torch.surgery.unit_coupling import Coupling

__all__ = ["resample_units"]

Loss = Callable[[Any, Any], Tensor]


def resample_units(
    model: nn.Module,
    units: Mapping[str, Any],
    *,
    data: Any,
    optimiser: torch.optim.Optimizer | None = None,
    loss: Loss | None = None,
    scale: float = 0.2,
    seed: int = 0,
    call: Call | None = None,
) -> Reset:
    """Reset units of linear layers to the directions of inputs with a large loss.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place; parameters remain the same objects. Run in evaluation mode, without gradients.
    units : mapping
        Layer name -> unit indices, or one boolean per unit, as `DeadUnitReport.dead_units("layer")` returns them.
    data : Tensor or iterable of batches
        Inputs to draw from, read twice; only the inputs drawn are kept.
    optimiser : torch.optim.Optimizer, optional
        Its state of the new weights is set to zero.
    loss : callable, optional
        Called with a batch of inputs and the model's output; returns one loss of at least 0 per point, that is, per
        vector that the layer reads. By default the squared distance of output and input along the last axis.
    scale : float
        Length of the new rows relative to the mean length of the other ones, above 0.
    seed : int
        Seed of the draw; PyTorch's own generators are not changed.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`; `loss` then gets the batch as the
        data give it.

    Returns
    -------
    Reset
        The units that were reset; layers are left unchanged for the reasons of `reset_units`.

    Raises
    ------
    InvalidArgumentError
        If a layer is not linear, an argument is out of its domain, the model returns no reconstruction of its inputs
        and no loss is given, or the losses are not finite or all zero.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> with torch.no_grad():
    ...     model[0].bias[1] = -9.0
    >>> print(resample_units(model, {"0": [1]}, data=torch.rand(32, 2)))
    reset 1 units
    >>> bool((model[:2](torch.rand(32, 2))[:, 1] > 0).all())
    True
    """
    model = check_model(original_model(model))
    size = check_real("scale", scale, low=0.0, low_open=True)
    check_count("seed", seed, least=0)
    modules = dict(model.named_modules())
    for name in units:
        if not isinstance(modules.get(name), nn.Linear):
            raise invalid("units", "name linear layers", name, "reset_units() resets others")
    if optimiser is not None:
        check_entries(check_optimiser(optimiser, model), list(model.parameters()))
    data = called(model, data, call)
    plan = reset_plan(model, units, data, zero_outgoing=False)
    layers = {coupling.layer: (modules[coupling.layer], len(chosen)) for coupling, chosen, _ in plan if len(chosen)}
    drawn = _worst_inputs(model, data, layers, loss, seed) if layers else {}
    for coupling, chosen, _ in plan:
        if len(chosen):
            _replace(coupling, chosen, drawn[coupling.layer], size, optimiser)
    fan_in = [modules[coupling.layer].in_features for coupling, _, _ in plan]
    return Reset(
        layers=tuple(coupling.layer for coupling, _, _ in plan),
        units=tuple(chosen for _, chosen, _ in plan),
        weights=tuple(len(chosen) * n for (_, chosen, _), n in zip(plan, fan_in, strict=True)),
        reasons=tuple(reason for _, _, reason in plan),
    )


def _worst_inputs(
    model: nn.Module, data: Any, layers: Mapping[str, tuple[nn.Module, int]], loss: Loss | None, seed: int
) -> dict[str, Tensor]:
    """Draw inputs of layers by their squared losses; return their directions, one row per unit.

    Sampling without replacement in one pass: the largest of log(u) / weight, u uniform (Efraimidis, Spirakis 2006).
    """
    read: dict[str, Tensor] = {}
    best: dict[str, tuple[Tensor, Tensor]] = {}
    handles = [
        module.register_forward_pre_hook(_keeper(read, name), with_kwargs=True) for name, (module, _) in layers.items()
    ]
    generator = torch.Generator().manual_seed(stream_seed(seed))
    device = device_of(model)
    try:
        with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
            for inputs in input_batches(data):
                inputs = on_device(inputs, device)
                weights = _losses(inputs, run_model(model, inputs), loss).square()
                for name, (_, wanted) in layers.items():
                    rows, keys = _keys(read[name], weights, name, generator)
                    if name in best:
                        rows, keys = torch.cat([best[name][0], rows]), torch.cat([best[name][1], keys])
                    keys, order = keys.topk(min(wanted, len(keys)))
                    best[name] = rows[order], keys
    finally:
        for handle in handles:
            handle.remove()
    return {name: _directions(*best[name], wanted) for name, (_, wanted) in layers.items()}


def _keeper(read: dict[str, Tensor], name: str) -> Callable[..., None]:
    def keep(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        read[name] = (arguments[0] if arguments else keywords["input"]).detach()

    return keep


def _losses(inputs: Inputs, output: Any, loss: Loss | None) -> Tensor:
    """Return one loss per point, a vector in double precision on the CPU."""
    batch = inputs.batch if isinstance(inputs, CalledBatch) else inputs
    if loss is not None:
        found = loss(batch, output)
        if not isinstance(found, Tensor):
            raise invalid("loss", "return a tensor with one number per point", type(found).__name__)
    else:
        target, made = next(tensors_of((batch,), {}), None), output_tensors(output)
        if target is None or not made or made[0].shape != target.shape:
            received = f"outputs of shape {tuple(made[0].shape)}" if made else "no tensor"
            rule = "be given where the model returns no reconstruction of its inputs"
            raise invalid("loss", rule, received)
        found = (made[0].double() - target.double()).square().sum(-1)
    flat = found.detach().double().cpu().flatten()
    wrong = ~torch.isfinite(flat) | (flat < 0.0)
    if bool(wrong.any()):
        raise invalid("loss", "be finite and at least 0 at every point", float(flat[wrong][0]))
    return flat


def _keys(read: Tensor, weights: Tensor, name: str, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the nonzero inputs of a layer and their random keys, on the CPU."""
    rows = read.flatten(0, -2).cpu() if read.ndim > 1 else read.unsqueeze(0).cpu()
    if len(rows) != len(weights):
        raise invalid("loss", f"have one number per vector that `{name}` reads, {len(rows)}", f"{len(weights)} numbers")
    uniform = torch.rand(len(rows), generator=generator, dtype=torch.float64).clamp_min(1e-300)
    possible = (weights > 0.0) & rows.any(1)
    return rows[possible], (uniform.log() / weights)[possible]


def _directions(rows: Tensor, keys: Tensor, wanted: int) -> Tensor:
    """Scale inputs to unit length, and repeat them where there are fewer than units."""
    if not len(rows):
        raise invalid("data", "hold nonzero inputs with a loss above 0", "none")
    repeated = rows.double()[torch.arange(wanted) % len(rows)]
    largest = repeated.abs().amax(1, keepdim=True)
    scaled = repeated / largest
    lengths: Tensor = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / lengths


@torch.no_grad()
def _replace(
    coupling: Coupling, units: Units, directions: Tensor, scale: float, optimiser: torch.optim.Optimizer | None
) -> None:
    layer = coupling.writers[0].module
    weight, bias = layer._parameters["weight"], layer._parameters["bias"]
    assert weight is not None  # `reset_plan` leaves layers with computed weights alone
    _write(weight, units, 0, directions, scale, optimiser)
    if bias is not None:
        rows = selected_entries(bias, units, 0)
        bias.masked_fill_(rows, 0.0)
        if optimiser is not None:
            clear_entries(optimiser, bias, rows)
    for reader in coupling.readers:
        if isinstance(reader.module, TiedLinear):
            continue
        outgoing: nn.Parameter = reader.module.weight  # type: ignore[assignment]
        fits = isinstance(reader.module, nn.Linear) and outgoing.shape[0] == weight.shape[1]
        if fits and len(reader.units) == coupling.n_units:  # one column per unit
            columns = reader.channels[np.argsort(reader.units)][units]
            _write(outgoing, columns, 1, directions, 1.0, optimiser)
        else:
            columns = reader.channels[np.isin(reader.units, units)]
            _write(outgoing, columns, 1 - unit_axis(reader.module), None, 1.0, optimiser)


def _write(
    weight: nn.Parameter,
    entries: Units,
    axis: int,
    directions: Tensor | None,
    scale: float,
    optimiser: torch.optim.Optimizer | None,
) -> None:
    """Write rows or columns of a length relative to that of the others, or zeros without directions."""
    mask = selected_entries(weight, entries, axis)
    if directions is None:
        weight.masked_fill_(mask, 0.0)
    else:
        lengths = torch.linalg.vector_norm(weight.double(), dim=1 - axis)
        others = ~mask.flatten()
        length = scale * float((lengths[others] if bool(others.any()) else lengths).mean())
        places = torch.as_tensor(entries, device=weight.device)
        new = (length * directions).to(weight.device, weight.dtype)
        weight.index_copy_(axis, places, new if axis == 0 else new.T)
    if optimiser is not None:
        clear_entries(optimiser, weight, mask)
