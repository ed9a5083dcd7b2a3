"""Load the weights of a model after unit removal into one built at full size."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.model_checks import check_model, original_model
from neurondeath_torch.networks.sparse_codes import JumpReLU
from neurondeath_torch.networks.state_dicts import plain_state
from neurondeath_torch.networks.weight_layers import input_width, is_transposed_linear, unit_count
from neurondeath_torch.surgery.optimiser_state import check_optimiser, replace_parameters

__all__ = ["load_shrunk"]


def load_shrunk(
    model: nn.Module, state: Mapping[str, Tensor], *, optimiser: torch.optim.Optimizer | None = None
) -> None:
    """Shrink a model to the shapes of a saved state and load the state.

    Parameters
    ----------
    model : torch.nn.Module
        The model in its shapes before the removal; changed in place.
    state : mapping
        `state_dict()` of the model after units were removed; it may have the prefixes `module.`, `model.` or
        `_orig_mod.` of wrappers, or lie inside a checkpoint.
    optimiser : torch.optim.Optimizer, optional
        An optimiser of the model; its groups are updated to the new parameters and their state is dropped. Load its own
        saved state afterwards.

    Raises
    ------
    InvalidArgumentError
        If names differ, a tensor is larger or has another number of axes, or a module of a kind that never loses units
        has another shape; the model is then unchanged.

    Examples
    --------
    >>> saved = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)).state_dict()
    >>> model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> load_shrunk(model, saved)
    >>> model[0].out_features, model[2].in_features
    (2, 2)
    """
    model = check_model(original_model(model))
    if optimiser is not None:
        check_optimiser(optimiser, model)
    own = model.state_dict()
    state = plain_state(state, own)
    if own.keys() != state.keys():
        wrong = sorted(own.keys() ^ state.keys())[0]
        raise invalid("state", "name the model's parameters and buffers", f"`{wrong}` on one side only")
    changed: dict[nn.Module, list[str]] = {}
    for name, value in state.items():
        if value.shape == own[name].shape:
            continue
        path, _, entry = name.rpartition(".")
        module = model.get_submodule(path)
        known = isinstance(module, (nn.Linear, _ConvNd, _NormBase, nn.PReLU, nn.Embedding, JumpReLU))
        if not known and not is_transposed_linear(module):
            raise invalid("state", f"leave `{path}`, a {type(module).__name__}, as it is", tuple(value.shape))
        if value.dim() != own[name].dim() or any(a > b for a, b in zip(value.shape, own[name].shape, strict=True)):
            raise invalid("state", f"fit into `{name}` of shape {tuple(own[name].shape)}", tuple(value.shape))
        changed.setdefault(module, []).append(entry)
    replaced = {}
    for module, entries in changed.items():
        for entry in entries:
            shape = state[f"{_name(model, module)}{entry}"].shape
            old = getattr(module, entry)
            if entry in module._buffers:
                module._buffers[entry] = old.new_zeros(shape)
                continue
            new = nn.Parameter(old.detach().new_zeros(shape), requires_grad=old.requires_grad)
            module._parameters[entry] = new
            replaced[old] = (new, torch.zeros(0, dtype=torch.int64, device=old.device))
        _set_sizes(module)
    if optimiser is not None:
        for old in replaced:
            optimiser.state.pop(old, None)
        replace_parameters(optimiser, replaced)
    model.load_state_dict(state)


def _name(model: nn.Module, module: nn.Module) -> str:
    path = next(name for name, candidate in model.named_modules() if candidate is module)
    return f"{path}." if path else ""


def _set_sizes(module: nn.Module) -> None:
    """Set a module's size attributes to the shapes of its tensors."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, _ConvNd):
        first, second = module.weight.shape[:2]
        if module.groups > 1:  # only depthwise convolutions lose units: each channel is a group
            module.groups = module.in_channels = module.out_channels = first
        elif module.transposed:
            module.in_channels, module.out_channels = first, second
        else:
            module.out_channels, module.in_channels = first, second
    elif isinstance(module, _NormBase):
        sized = module.weight if module.weight is not None else module.running_mean
        assert sized is not None  # a norm without tensors has nothing that could have changed
        module.num_features = len(sized)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = len(module.weight)
    elif is_transposed_linear(module):
        module.nx, module.nf = input_width(module), unit_count(module)  # type: ignore[assignment]
    elif isinstance(module, nn.Embedding):
        module.embedding_dim = module.weight.shape[1]
