"""Global pruning in cycles: prune the least salient weights over all layers, rewind the rest, train again.

This is the base of Activate-while-Pruning and the baseline to compare it with. After each cycle of training a share of
the weights still alive is pruned: those with the smallest |w|, or the smallest |w g| with g the gradient of a loss that
the caller supplies. Then, unless `rewind` is off, every parameter and buffer returns to its value at the start, pruned
weights stay at zero, and the optimiser's state is dropped.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_choice, check_count, check_flag, check_real, invalid
from neurondeath_torch.methods.loss_gradients import check_loss, loss_gradients
from neurondeath_torch.methods.masking_method import MaskingMethod
from neurondeath_torch.methods.pruning_rules import lowest_weights, weight_saliency
from neurondeath_torch.networks.model_checks import check_model
from neurondeath_torch.networks.weight_layers import is_weight_layer

__all__ = ["GlobalPruning", "Kept", "Values", "n_alive"]

Values = list[npt.NDArray[np.floating[Any]]]
Kept = list[npt.NDArray[np.bool_]]


class GlobalPruning(MaskingMethod):
    """Prune a share of the surviving weights after each cycle, and rewind.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; its current weights are those it is rewound to.
    optimiser : torch.optim.Optimizer, optional
        If given, masks are applied after each of its steps and its state is dropped when rewinding. The caller resets
        its learning rate and any scheduler.
    share : float
        Share in [0, 1) of the weights alive before a cycle that is pruned after it.
    base : {"magnitude", "gradient"}
        Whether the weights with the smallest |w| or the smallest |w g| are pruned.
    loss : callable, optional
        Needed for `base="gradient"`: computes the loss whose gradient is used, for instance on a batch.
    every : int, optional
        Epochs per cycle; if not given, call `after_cycle` yourself.
    rounds : int, optional
        Cycles after which `after_epoch` prunes; later epochs train the pruned model to the end. Without `rounds` the
        last cycle is rewound too, and the rewound model is left untrained.
    rewind : bool
        Whether all parameters and buffers return to their values at the start.
    layers : iterable of str, optional
        Only prune these layers; all linear and convolution layers if not given.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model cannot be used, or it has no such layer.

    Examples
    --------
    >>> model = nn.Linear(4, 1, bias=False)
    >>> with torch.no_grad():
    ...     _ = model.weight.copy_(torch.tensor([[1.0, -2.0, 3.0, -4.0]]))
    >>> pruning = GlobalPruning(nn.Sequential(model), share=0.5)
    >>> with torch.no_grad():
    ...     _ = model.weight.copy_(torch.tensor([[9.0, -2.0, 3.0, -4.0]]))  # training
    >>> pruning.after_cycle()
    >>> model.weight.tolist(), pruning.n_pruned
    ([[1.0, 0.0, 0.0, -4.0]], 2)
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None = None,
        *,
        share: float = 0.2,
        base: str = "magnitude",
        loss: Callable[[], Tensor] | None = None,
        every: int | None = None,
        rounds: int | None = None,
        rewind: bool = True,
        layers: Iterable[str] | None = None,
    ) -> None:
        if layers is None:
            owners = {m.weight: name for name, m in check_model(model).named_modules() if is_weight_layer(m)}
            layers = list(owners.values())  # lists a shared weight once
        super().__init__(model, optimiser, layers)
        self._share = check_real("share", share, low=0.0, high=1.0, high_open=True)
        self._base = check_choice("base", base, ("magnitude", "gradient"))
        self._loss = check_loss(loss, 'base="gradient"') if self._base == "gradient" else loss
        self._every = None if every is None else check_count("every", every)
        self._rounds = None if rounds is None else check_count("rounds", rounds)
        self._rewind = check_flag("rewind", rewind)
        if not self._masks.layers:
            raise invalid("layers", "name at least one layer with weights", type(model).__name__)
        self._cycles = 0
        self._start = self._snapshot()

    @property
    def cycles(self) -> int:
        """Number of cycles finished."""
        return self._cycles

    @property
    def _needs_epochs(self) -> bool:
        return self._every is not None

    def after_epoch(self) -> None:
        """Count the epoch, and end the cycle if this was its last epoch."""
        super().after_epoch()
        more = self._rounds is None or self._cycles < self._rounds
        if self._every is not None and self._epochs % self._every == 0 and more:
            self.after_cycle()

    def after_cycle(self) -> None:
        """Prune, and rewind the weights that survive.

        Raises
        ------
        InvalidArgumentError
            If a tensor of the model has another shape than at the start, or the training has diverged.
        """
        self._check_shapes()
        end = self._weights()
        gradients = self._gradients() if self._base == "gradient" else None
        kept = [self._masks.kept(layer) for layer in self._masks.layers]
        for action, masks in self._choose(end, gradients, kept):
            for layer, before, after in zip(self._masks.layers, kept, masks, strict=True):
                self._record(action, layer, weights=int(before.sum() - after.sum()))
            kept = masks
        if self._rewind:
            with torch.no_grad():
                for name, value in self._tensors().items():
                    value.copy_(self._start[name])
            if self._optimiser is not None:
                self._optimiser.state.clear()
        for layer, mask in zip(self._masks.layers, kept, strict=True):
            self._masks.set(layer, mask)
        self._cycles += 1
        if not self._rewind:
            self._start = self._snapshot()

    def state_dict(self) -> dict[str, Any]:
        """Return counters, record, masks and the weights at the start of the cycle."""
        start = {name: value.clone() for name, value in self._start.items()}
        return {**super().state_dict(), "cycles": self._cycles, "start": start}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state and apply its masks to the model's weights."""
        start = state.get("start") if isinstance(state, Mapping) else None
        if start is not None and start.keys() != self._start.keys():  # before anything is changed
            raise invalid("state", "be of the same model", f"{len(start)} tensors", "build the same model")
        super().load_state_dict(state)
        self._cycles = int(state["cycles"])
        self._start = {name: state["start"][name].to(old.device, copy=True) for name, old in self._start.items()}

    def _choose(self, end: Values, gradients: Values | None, kept: Kept) -> list[tuple[str, Kept]]:
        """Return the masks after each action, in order."""
        count = round(self._share * n_alive(kept))
        return [("prune", lowest_weights(self._scores(end, gradients), kept, count))]

    @staticmethod
    def _scores(end: Values, gradients: Values | None) -> Values:
        if gradients is None:
            return [weight_saliency(weights) for weights in end]
        return [weight_saliency(weights, gradient) for weights, gradient in zip(end, gradients, strict=True)]

    def _check_shapes(self) -> None:
        shapes = {name: tuple(value.shape) for name, value in self._tensors().items()}
        begun = {name: tuple(value.shape) for name, value in self._start.items()}
        changed = next((name for name in {**begun, **shapes} if begun.get(name) != shapes.get(name)), None)
        if changed is not None:
            received = f"`{changed}` of shape {shapes.get(changed)} instead of {begun.get(changed)}"
            raise invalid("model", "keep its tensors during a cycle", received, "remove units after the last cycle")

    def _snapshot(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._tensors().items()}

    def _tensors(self) -> dict[str, Tensor]:
        """Return all parameters and buffers, shared ones under each of their names."""
        parameters = self._model.named_parameters(remove_duplicate=False)
        return {**dict(parameters), **dict(self._model.named_buffers(remove_duplicate=False))}

    def _weights(self) -> Values:
        return [_array(self._masks.weight(layer)) for layer in self._masks.layers]

    def _gradients(self) -> Values:
        """Compute the gradient of the caller's loss without changing the gradients of the training."""
        assert self._loss is not None  # checked in __init__
        weights = [self._masks.weight(layer) for layer in self._masks.layers]
        return [_array(gradient) for gradient in loss_gradients(self._loss, weights)]


def n_alive(kept: Kept) -> int:
    """Count the weights that are not pruned.

    Examples
    --------
    >>> n_alive([np.array([True, False]), np.array([True])])
    2
    """
    return sum(int(mask.sum()) for mask in kept)


def _array(tensor: Tensor) -> npt.NDArray[np.floating[Any]]:
    wide = torch.promote_types(tensor.dtype, torch.float32)
    array: npt.NDArray[np.floating[Any]] = tensor.detach().to("cpu", wide, copy=True).numpy()
    return array
