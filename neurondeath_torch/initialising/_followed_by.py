"""Find which activation each layer of a model feeds, by running the model once and following the layers' outputs.

An output is identified by its memory, which is kept until the end of the run, and followed through batch norms, views,
copies and max-pooling to the first operation that computes with it, whether that is in a module or in the model's own
code. A batch norm with modules of its own (an activation) is looked into.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.initialising._model_activations import is_activation
from neurondeath_torch.networks.activation_calls import activation_of_call
from neurondeath_torch.networks.activations import to_theory
from neurondeath_torch.networks.weight_layers import WeightLayer

__all__ = ["BATCH_NORMS", "Site", "follow_outputs", "is_compound"]

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MIXING_NORMS = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.SyncBatchNorm,
)
VIEWS = frozenset({"alias", "detach", "view", "_unsafe_view", "squeeze", "unsqueeze", "permute", "transpose", "t"})
NORM_OPERATIONS = ("native_batch_norm", "_native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_batch_norm")
COPIES = frozenset({"clone", "contiguous", "_to_copy"})
MAX_POOLINGS = ("max_pool", "adaptive_max_pool")  # do not change whether a unit is positive at some position


@dataclass(eq=False)
class Site:
    """A layer and the operations that read its output.

    Attributes
    ----------
    layer : WeightLayer
        The layer.
    calls : int
        Number of calls in one run of the model.
    shape : torch.Size
        Shape of its output in that run.
    norm : batch norm or None
        Batch norm between the layer and its activation.
    activation : PiecewiseLinear or None
        The activation that reads the output, if it is piecewise linear.
    readers : list of str
        Other operations that read it.
    obstacle : str
        Why the sign of a unit cannot be changed before the activation; empty if it can.
    """

    layer: WeightLayer
    calls: int = 0
    shape: torch.Size = field(default_factory=torch.Size)
    norm: nn.Module | None = None
    activation: theory.PiecewiseLinear | None = None
    readers: list[str] = field(default_factory=list)
    obstacle: str = ""


def follow_outputs(model: nn.Module, layers: Sequence[WeightLayer], run: Callable[[], object]) -> list[Site]:
    """Run a model once and return what each layer feeds, in the order of execution; layers not called come last."""
    follower = _Follower(layers)
    handles = follower.attach(model)
    try:
        with torch.no_grad(), follower:
            run()
    finally:
        for handle in handles:
            handle.remove()
    return [*follower.order, *(site for site in follower.sites if not site.calls)]


def is_compound(module: nn.Module | None) -> bool:
    """Check whether a batch norm has modules of its own, so that its output is not that of the normalisation."""
    return isinstance(module, BATCH_NORMS) and any(True for _ in module.children())


class _Follower(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Record every operation; labels map memory to the layer whose output it holds."""

    def __init__(self, layers: Sequence[WeightLayer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sites = [Site(layer=layer, obstacle=layer.obstacle) for layer in layers]
        self.order: list[Site] = []
        self.labels: dict[int, Site] = {}
        self.kept: list[torch.Tensor] = []  # memory that is kept cannot be given to another tensor
        self.inside: nn.Module | None = None  # a module that is treated as one operation
        self.entered: tuple[Site | None, torch.Size] = (None, torch.Size())
        self.norms: set[nn.Module] = set()
        self.within: list[nn.Module] = []  # batch norms that are looked into

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.inside is not None:
            return out
        name = func.name().partition("::")[2].partition(".")[0]
        read = [site for leaf in tree_leaves((args, kwargs)) if (site := self._label(leaf)) is not None]
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        if read and self.within and name.startswith(NORM_OPERATIONS):
            self.entered = read[0], next(leaf.shape for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor))
            self._normalise(self.within[-1], results[0])
            return out
        if read and (name in VIEWS | COPIES or name.startswith(MAX_POOLINGS)):
            self._set(results[:1], read[0])
            return out
        for site in read:
            site.readers.append(name)
            site.activation = site.activation or _functional(name, args)
        self._set(results, None)  # overwritten memory no longer holds a layer's output
        return out

    def attach(self, model: nn.Module) -> list[Any]:
        """Register hooks on the modules that are treated as one operation."""
        sites: dict[nn.Module, Site] = {site.layer.module: site for site in self.sites}
        handles = []
        for module in model.modules():
            if module in sites:
                leave = self._leave_layer(sites[module])
            elif is_compound(module):
                handles.append(module.register_forward_pre_hook(lambda norm, _: self.within.append(norm)))
                handles.append(module.register_forward_hook(lambda *_: self.within.pop() and None))
                continue
            elif isinstance(module, (*BATCH_NORMS, *MIXING_NORMS)):
                leave = self._leave_norm
            elif _piecewise_linear(module) is not None:
                leave = self._leave_activation
            else:
                continue
            handles.append(module.register_forward_pre_hook(self._enter))
            handles.append(module.register_forward_hook(leave))
        return handles

    def _enter(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if self.inside is not None:
            return
        site = self._label(inputs[0]) if inputs else None
        self.entered = site, inputs[0].shape if inputs else torch.Size()
        self.inside = module
        if site is not None and not isinstance(module, (*BATCH_NORMS, *MIXING_NORMS)):
            site.readers.append(type(module).__name__)
            site.activation = site.activation or _piecewise_linear(module)

    def _leave_layer(self, site: Site) -> Callable[[nn.Module, Any, Any], None]:
        def leave(module: nn.Module, inputs: Any, out: torch.Tensor) -> None:
            if self.inside is not module:
                return
            self.inside = None
            if not site.calls:
                self.order.append(site)
            site.calls += 1
            site.shape = out.shape
            self._set([out], site)

        return leave

    def _leave_norm(self, module: nn.Module, inputs: Any, out: torch.Tensor) -> None:
        if self.inside is module:
            self.inside = None
            self._normalise(module, out)

    def _normalise(self, module: nn.Module, out: torch.Tensor) -> None:
        """Record that a norm has been applied."""
        site, shape = self.entered
        if site is not None:
            if isinstance(module, MIXING_NORMS):
                site.obstacle = f"{type(module).__name__} lies between it and its activation"
            elif site.norm is not None:
                site.obstacle = "more than one batch norm lies between it and its activation"
            elif module in self.norms:
                site.obstacle = "it shares its batch norm with another layer"
            elif shape != site.shape or (isinstance(site.layer.module, nn.Linear) and len(shape) != 2):
                site.obstacle = "its batch norm runs along another axis than its units"
            site.norm = module
        self.norms.add(module)
        self._set([out], site)

    def _leave_activation(self, module: nn.Module, inputs: Any, out: torch.Tensor) -> None:
        if self.inside is module:
            self.inside = None
            self._set([out], None)

    def _label(self, leaf: Any) -> Site | None:
        return self.labels.get(_memory(leaf)) if isinstance(leaf, torch.Tensor) else None

    def _set(self, tensors: Sequence[torch.Tensor], site: Site | None) -> None:
        for tensor in tensors:
            if site is None:
                self.labels.pop(_memory(tensor), None)
            elif _memory(tensor):
                self.labels[_memory(tensor)] = site
                self.kept.append(tensor)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _piecewise_linear(module: nn.Module) -> theory.PiecewiseLinear | None:
    if not is_activation(module):
        return None
    try:
        return to_theory(module)
    except InvalidArgumentError:
        return None


def _functional(name: str, args: Sequence[Any]) -> theory.PiecewiseLinear | None:
    """Recognise a piecewise-linear activation in one operation on tensors."""
    if name.rstrip("_") == "leaky_relu":
        return theory.leaky_relu(float(args[1]) if len(args) > 1 else 0.01)
    known = activation_of_call(name, args, {})
    return known.form if known is not None else None
