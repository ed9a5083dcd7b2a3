"""L2 Init: a penalty on the distance of the weights from their start [Kumar et al. 2023, arXiv 2308.11958].

The loss contains lambda times the sum of (w - w0)^2 over all parameters, where L2 has the sum of w^2: weights that the
loss does not need drift back to where they could learn, instead of to zero, where units are dormant.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_real, invalid
from neurondeath_torch.methods.misuse import replaced_parameter
from neurondeath_torch.methods.training_method import TrainingMethod

__all__ = ["L2Init"]


class L2Init(TrainingMethod):
    """Pull all trainable parameters towards their values at the start.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; its parameters now are those that it is pulled to.
    optimiser : torch.optim.Optimizer, optional
        Only to notice misuse; leave its own weight decay at 0.
    strength : float
        lambda, at least 0.
    layers : iterable of str, optional
        Only the parameters of these modules, and of the modules in them; all if not given.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, a module does not exist or none has trainable parameters; later, if
        parameters are replaced.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 1))
    >>> method = L2Init(model, strength=0.5)
    >>> with torch.no_grad():
    ...     _ = model[0].bias.add_(2.0)
    >>> round(method.penalty().item(), 6)
    2.0
    """

    acts_after_steps = True

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None = None,
        *,
        strength: float = 1e-2,
        layers: Iterable[str] | None = None,
    ) -> None:
        super().__init__(model, optimiser)
        self._strength = check_real("strength", strength, low=0.0)
        self._named = self._chosen(layers)
        self._start = {name: parameter.detach().clone() for name, parameter in self._named.items()}

    def distance(self) -> float:
        """Return the Euclidean distance of the parameters from their start."""
        with torch.no_grad():
            return float(self._sum().sqrt())

    def state_dict(self) -> dict[str, Any]:
        """Return counters and the parameters at the start."""
        return {**super().state_dict(), "start": {name: value.clone() for name, value in self._start.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; the model must be the same."""
        super().load_state_dict(state)
        start = state["start"]
        shapes = {name: tuple(value.shape) for name, value in self._start.items()}
        if shapes != {name: tuple(value.shape) for name, value in start.items()}:
            raise invalid("state", "hold the parameters of this model", list(start), "build the same model")
        self._start = {name: start[name].to(old.device, copy=True) for name, old in self._start.items()}

    def _penalty(self) -> Tensor | None:
        if self._strength == 0.0:
            return None
        changed = replaced_parameter(self._named, {n: p for n, p in self._parameters().items() if n in self._named})
        if changed:
            received = f"`{changed}`, which was replaced"
            raise invalid("model", "keep the parameters it is pulled to", received, "build the method again")
        return self._strength * self._sum()

    @property
    def _penalty_due(self) -> bool:
        return self._strength > 0.0

    def _sum(self) -> Tensor:
        moves = torch._foreach_sub(list(self._named.values()), list(self._start.values()))
        terms = [move.square().sum() for move in moves]
        return torch.stack([term.to(terms[0].device) for term in terms]).sum()

    def _chosen(self, layers: Iterable[str] | None) -> dict[str, nn.Parameter]:
        modules, parameters = dict(self._model.named_modules()), dict(self._model.named_parameters())
        names = [""] if layers is None else list(layers)
        for name in names:
            if name not in modules:
                raise invalid("layers", "name modules of the model", name, "see model.named_modules()")
        chosen = {
            name: parameter
            for name, parameter in parameters.items()
            if parameter.requires_grad and any(not one or name.startswith(f"{one}.") for one in names)
        }
        if not chosen:
            raise invalid("layers", "name modules with trainable parameters", names)
        return chosen
