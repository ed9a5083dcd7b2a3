"""Find the weights that belong to a unit: the rows that write it, its normalisation, and the columns that read it.

Torch-Pruning's dependency graph follows the channels of every layer through normalisation, sums, concatenation and
flattening. This module collects each layer's units in one `Coupling`: what else must be removed with a unit, and
whether anything prevents the removal. Cutting makes no assumption about axes: every parameter is replaced by the
positions of its entries, Torch-Pruning cuts those, and the positions that remain are read off. The same positions cut
gradients and optimiser state.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch_pruning
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils import parametrize
from torch_pruning.ops import OPTYPE, TORCH_CONV

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.data_passes import call, evaluating, output_tensors
from neurondeath_torch.networks.input_data import Inputs
from neurondeath_torch.networks.sparse_codes import TiedLinear
from neurondeath_torch.networks.weight_layers import (
    input_width,
    is_transposed_linear,
    is_weight_layer,
    unit_count,
)
from neurondeath_torch.surgery._sparse_code_cutting import SPARSE_CODE_PRUNERS
from neurondeath_torch.surgery._transposed_pruner import transposed_pruners
from neurondeath_torch.surgery._visible_inputs import WithVisibleInputs

__all__ = ["Coupling", "CouplingGraph", "Part"]

Indices = npt.NDArray[np.int64]
Replaced = dict[nn.Parameter, tuple[nn.Parameter, Tensor]]

LARGEST = 2**62
MOST_WORK = 1_000_000  # squares of the sizes of groups that are followed, about 20 s: counted, so as to be repeatable
SPARSE_CODES = tuple(SPARSE_CODE_PRUNERS)
ATTENTION = ("ScaledDotProduct", "Softmax", "EfficientAttention", "FlashAttention")  # in names of gradients
UNFOLLOWED = (AttributeError, IndexError, KeyError, TypeError, ValueError, AssertionError)
# operations allowed between a unit and its readers, since they do not make other units depend on it
HARMLESS = frozenset(
    (
        OPTYPE.CONV,
        OPTYPE.LINEAR,
        OPTYPE.BN,
        OPTYPE.IN,
        OPTYPE.PRELU,
        OPTYPE.DEPTHWISE_CONV,
        OPTYPE.EMBED,
        OPTYPE.CONCAT,
        OPTYPE.SPLIT,
        OPTYPE.ELEMENTWISE,
        OPTYPE.RESHAPE,
    )
)
NORMS = (OPTYPE.BN, OPTYPE.IN)
# operations between a weight layer and its norm that keep each unit and mix it with nothing
PASSING = (OPTYPE.ELEMENTWISE, OPTYPE.PRELU, OPTYPE.DEPTHWISE_CONV)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A module that holds weights of units: its channel `channels[i]` belongs to unit `units[i]`.

    `follows` names, for a norm, the weight layer that it alone reads, up to activations; it is empty otherwise.
    """

    name: str
    module: nn.Module
    channels: Indices
    units: Indices
    follows: str = ""


@dataclass(frozen=True, kw_only=True)
class Coupling:
    """All modules that hold weights of the units of one layer.

    Attributes
    ----------
    layer : str
        The layer the units are named after.
    n_units : int
        Number of units.
    writers, norms, readers : list of Part
        Weight layers whose rows write the units (the layer itself first), modules with parameters or statistics per
        unit (norms, depthwise convolutions), and weight layers whose columns read them.
    obstacle : str
        Why no unit can be removed; empty if units can be removed.
    """

    layer: str
    n_units: int
    writers: list[Part] = field(default_factory=list)
    norms: list[Part] = field(default_factory=list)
    readers: list[Part] = field(default_factory=list)
    obstacle: str = ""


class CouplingGraph:
    """The couplings of a model, traced by one forward pass in evaluation mode.

    Parameters
    ----------
    model : torch.nn.Module
        The model; not changed.
    inputs : Tensor or mapping
        One batch for the model.
    """

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        self._model = model
        self._names = {module: name for name, module in model.named_modules()}
        owners: dict[nn.Parameter, int] = {}
        for _, parameter in model.named_parameters(remove_duplicate=False):
            owners[parameter] = owners.get(parameter, 0) + 1
        self._work = 0
        self._tied = {parameter for parameter, count in owners.items() if count > 1}
        self._sources = {module.source: name for module, name in self._names.items() if isinstance(module, TiedLinear)}
        self._traced = WithVisibleInputs(model, inputs)
        with evaluating(self._traced), torch.enable_grad(), _all_trainable(model), _without_cache(model):
            try:
                self._graph = torch_pruning.DependencyGraph().build_dependency(
                    self._traced,
                    inputs,
                    forward_fn=call,
                    output_transform=_differentiable,
                    customized_pruners=SPARSE_CODE_PRUNERS | transposed_pruners(model),
                    verbose=False,
                )
            except UNFOLLOWED as error:
                remedy = "units can still be masked or reset, not removed"
                raise invalid("model", "be traceable by Torch-Pruning", repr(error), remedy) from error

    def couplings(self) -> Iterator[Coupling]:
        """Yield the coupling of each weight layer, each unit once, in the order of the model's modules."""
        seen: dict[nn.Module, set[int]] = {}
        for layer in self._names:
            if not is_weight_layer(layer) or layer not in self._graph.module2node:
                continue
            if self._graph.module2node[layer].type == OPTYPE.DEPTHWISE_CONV:
                continue  # its channels are the units of the layer before it
            if len(seen.get(layer, ())) == self._graph.get_out_channels(layer):
                continue  # its units are those of layers before it
            if self._work > MOST_WORK:
                yield self._alone(layer, "the layers before it took too long to follow")
                continue
            coupling = self.coupling(layer)
            fresh = [u for u in range(coupling.n_units) if u not in seen.get(layer, set())]
            for part in coupling.writers:
                seen.setdefault(part.module, set()).update(part.channels.tolist())
            if len(fresh) == coupling.n_units:
                yield coupling

    def calls(self, layer: nn.Module) -> bool:
        """Whether the model calls a layer, and its outputs depend on it."""
        return layer in self._graph.module2node

    def coupling(self, layer: nn.Module) -> Coupling:
        """Collect the modules that hold weights of the units of one layer."""
        if layer not in self._graph.module2node:
            raise invalid("layers", "name layers that the model calls on the data", self._names[layer])
        n_units = self._graph.get_out_channels(layer)
        coupling = Coupling(layer=self._names[layer], n_units=n_units)
        try:
            group = self._group(layer, range(n_units))
        except UNFOLLOWED as error:
            reason = f"Torch-Pruning cannot follow its units ({type(error).__name__}: {error})"
            return self._alone(layer, reason)
        self._work += len(group) ** 2  # Torch-Pruning compares every part with every other
        obstacle = unfollowed = ""
        for item in group:
            target, kind = item.dep.target.module, item.dep.target.type
            writes = self._graph.is_out_channel_pruning_fn(item.dep.handler)
            obstacle = obstacle or self._obstacle(target, kind) or self._tie(target, writes)
            known = kind in HARMLESS or isinstance(target, SPARSE_CODES) or is_transposed_linear(target)
            if not known or not isinstance(target, nn.Module) or target not in self._names:
                continue
            part = Part(
                name=self._names[target],
                module=target,
                channels=np.asarray(item.idxs, dtype=np.int64),
                units=np.asarray(item.root_idxs, dtype=np.int64),
                follows=self._followed(target) if kind in NORMS else "",
            )
            if part.channels.size and part.channels.max() >= _n_channels(target, writes):
                unfollowed = unfollowed or f"which of its units `{part.name}` reads cannot be followed"
                continue
            if (is_weight_layer(target) and kind != OPTYPE.DEPTHWISE_CONV) or isinstance(target, TiedLinear):
                (coupling.writers if writes else coupling.readers).append(part)
            elif next(target.parameters(recurse=False), None) is not None or kind == OPTYPE.BN:
                coupling.norms.append(part)
        if not coupling.readers:
            obstacle = "it is the output layer"
        return Coupling(**{**coupling.__dict__, "obstacle": unfollowed or obstacle})

    def _alone(self, layer: nn.Module, obstacle: str) -> Coupling:
        """Return the coupling of a layer of which only the rows that write its units are known."""
        n_units, name = self._graph.get_out_channels(layer), self._names[layer]
        every = np.arange(n_units, dtype=np.int64)
        writer = Part(name=name, module=layer, channels=every, units=every)
        return Coupling(layer=name, n_units=n_units, writers=[writer], obstacle=obstacle)

    def cut(self, layer: nn.Module, units: Iterable[int]) -> Replaced:
        """Remove units of a layer with all their weights; return the replaced parameters."""
        group = self._group(layer, units)
        modules = {item.dep.target.module for item in group if item.dep.target.module in self._names}
        old = {(module, name): p for module in modules for name, p in module._parameters.items() if p is not None}
        for (module, name), parameter in old.items():
            positions = torch.arange(parameter.numel(), dtype=torch.float64, device="cpu")
            module._parameters[name] = nn.Parameter(positions.view(parameter.shape))
        group.prune()
        replaced: Replaced = {}
        for (module, name), parameter in old.items():
            cut = module._parameters[name]
            assert cut is not None  # Torch-Pruning replaces parameters and drops none
            if cut.shape == parameter.shape:
                module._parameters[name] = parameter
                continue
            positions = cut.detach().flatten().long().to(parameter.device)
            stays = parameter.detach().flatten()[positions].view(cut.shape)
            new = nn.Parameter(stays, requires_grad=parameter.requires_grad)
            if parameter.grad is not None:
                new.grad = parameter.grad.flatten()[positions].view(cut.shape)
            module._parameters[name] = new
            replaced[parameter] = (new, positions)
        for module in modules:
            _set_sizes(module)
        return replaced

    def _group(self, layer: nn.Module, units: Iterable[int]) -> Any:
        prune = self._graph.get_pruner_of_module(layer).prune_out_channels
        return self._graph.get_pruning_group(layer, prune, [int(unit) for unit in units])

    def _tie(self, target: Any, writes: bool) -> str:
        """Explain why a unit stays that a tied layer writes, or that is read by the layer whose weight it uses."""
        if isinstance(target, TiedLinear) and writes:
            return f"`{self._names[target]}` has the weights of another layer"
        if not writes and target in self._sources:
            return f"`{self._sources[target]}` has the weights of `{self._names[target]}`, which reads it"
        return ""

    def _followed(self, norm: nn.Module) -> str:
        """Return the weight layer that this norm alone reads, possibly through activations; empty if none."""
        node = self._graph.module2node[norm]
        for _ in range(len(self._graph.module2node)):
            before = list(dict.fromkeys(node.inputs))
            if len(before) != 1 or len(set(before[0].outputs)) != 1:
                return ""
            node = before[0]
            if node.type in (OPTYPE.CONV, OPTYPE.LINEAR):
                return str(self._names.get(node.module, ""))
            if node.type not in PASSING:
                return ""
        return ""

    def _obstacle(self, target: Any, kind: Any) -> str:
        if kind == OPTYPE.OUTPUT:
            return "it is returned by the model"
        if kind == OPTYPE.ELEMENTWISE and any(name in str(getattr(target, "_grad_fn", "")) for name in ATTENTION):
            return "attention or a softmax mixes its units"
        if target in self._traced.inputs.values():
            return "it shares its channels with the model's input"
        name = self._names.get(target, "a bare parameter") if isinstance(target, nn.Module) else "a bare parameter"
        if kind not in HARMLESS and not isinstance(target, SPARSE_CODES) and not is_transposed_linear(target):
            what = type(target).__name__ if name != "a bare parameter" else "arithmetic"
            return f"{what} `{name}` depends on the number of units"
        if kind == OPTYPE.CONV and isinstance(target, TORCH_CONV) and target.groups > 1:
            return f"`{name}` is a grouped convolution"
        if not isinstance(target, nn.Module) or target not in self._names:
            return ""
        if parametrize.is_parametrized(target) or hasattr(target, "weight_orig") or hasattr(target, "weight_g"):
            return f"the weight of `{name}` is computed from other parameters"
        own = [p for p in target._parameters.values() if p is not None]
        if any(p in self._tied for p in own):
            return f"`{name}` shares a parameter with another layer"
        if any(p._backward_hooks or getattr(p, "_post_accumulate_grad_hooks", None) for p in own):
            return f"a parameter of `{name}` has hooks, which a new one would lack"
        return ""


def _n_channels(module: nn.Module, writes: bool) -> int:
    """Return how many channels a module writes, or reads."""
    if isinstance(module, TiedLinear):
        return module.source.in_features if writes else module.source.out_features
    if is_weight_layer(module):
        return unit_count(module) if writes else input_width(module)
    return int(module.num_features) if isinstance(module, (_BatchNorm, _InstanceNorm)) else LARGEST


def _set_sizes(module: nn.Module) -> None:
    """Set the sizes that a weight layer states to those of its weight, which Torch-Pruning counts behind a reshape."""
    weight = module._parameters.get("weight")
    if isinstance(module, (_BatchNorm, _InstanceNorm)):
        kept = weight if weight is not None else module.running_mean
        module.num_features = module.num_features if kept is None else len(kept)
        return
    if weight is None or weight.ndim < 2:
        return
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, _ConvNd):
        first, second = weight.shape[0], weight.shape[1] * module.groups
        module.out_channels, module.in_channels = (second, first) if module.transposed else (first, second)
    elif is_transposed_linear(module):
        module.nx, module.nf = weight.shape  # type: ignore[assignment]


@contextmanager
def _all_trainable(model: nn.Module) -> Iterator[None]:
    """Make every parameter trainable, since the graph follows gradients, and restore frozen parameters on exit."""
    frozen = [p for p in model.parameters() if not p.requires_grad and p.is_floating_point()]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


@contextmanager
def _without_cache(model: nn.Module) -> Iterator[None]:
    """Let language models of transformers return no keys and values, which no later call will use."""
    configs: list[Any] = [getattr(module, "config", None) for module in model.modules()]
    cached = {id(one): one for one in configs if getattr(one, "use_cache", None) is True}
    for config in cached.values():
        config.use_cache = False
    try:
        yield
    finally:
        for config in cached.values():
            config.use_cache = True


def _differentiable(output: Any) -> list[Tensor]:
    """Return the output tensors that depend on parameters."""
    return [tensor for tensor in output_tensors(output) if tensor.grad_fn is not None]
