"""Self-normalised resets: replace units whose silence is too long by their own record [Farias and Jozefiak 2024].

Units fire at different rates, so that one limit for all is too long for busy units and too short for rare ones. Each
unit keeps a record of how long its silences lasted, and is replaced when its present silence would have been reached by
at most a share of them. The rules are those of `replacement_rules`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_count, check_real
from neurondeath_torch.methods.replacement_rules import record_silences, silence_limits
from neurondeath_torch.methods.replacing_method import ReplacingMethod
from neurondeath_torch.methods.unit_traffic import Sent

__all__ = ["SelfNormalisedResets"]


class SelfNormalisedResets(ReplacingMethod):
    """Replace units whose silence is improbable under their own record.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; its layers keep their sizes.
    optimiser : torch.optim.Optimizer or None
        Its state for replaced units is set to zero; Adam's steps for them start again.
    data : Tensor or iterable of batches
        Used once, to trace the model; what units do is seen in the training batches.
    level : float
        Level of the test, in (0, 1): the probability that a living unit is replaced during one of its silences.
    longest : int
        Longest silence, in steps, that is distinguished.
    every : int
        Steps between two updates of the limits from the records.
    layers : iterable of str, optional
        Only these layers; all weight layers that an activation follows if not given.
    initialise : callable, optional
        As for `reset_units`.
    seed : int
        Seed of the new weights.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model cannot be used, or no layer has units that can be replaced.

    Notes
    -----
    Source: Farias and Jozefiak 2024 (arXiv 2410.20098), with the empirical law of each unit's silences. A unit fires at
    a step if it sends something other than zero at any point of the batch. Where the paper compares with the share of
    earlier silences, the present one is counted among them, which makes the level exact for short records: with fewer
    than 1 / level - 1 silences no unit is replaced, and a unit that has not fired since it was made is left to the
    silence that it has: it is replaced when that exceeds `longest` steps.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> with torch.no_grad():
    ...     _ = model[0].bias.fill_(9.0)
    >>> optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)
    >>> method = SelfNormalisedResets(model, optimiser, data=torch.randn(20, 4), level=0.1, every=1)
    >>> for step in range(30):
    ...     if step == 20:
    ...         with torch.no_grad():
    ...             model[0].bias[0] = -100.0
    ...     optimiser.zero_grad()
    ...     model(torch.randn(20, 4)).square().mean().backward()
    ...     optimiser.step(); method.after_step()
    >>> method.report().events[0].step, method.report().events[0].units
    (21, 1)
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None,
        *,
        data: Any,
        level: float = 0.01,
        longest: int = 1000,
        every: int = 100,
        layers: Iterable[str] | None = None,
        initialise: Callable[[nn.Module], Any] | None = None,
        seed: int = 0,
    ) -> None:
        self._level = check_real("level", level, low=0.0, high=1.0, low_open=True, high_open=True)
        self._longest = check_count("longest", longest)
        self._every = check_count("every", every)
        super().__init__(model, optimiser, data=data, layers=layers, initialise=initialise, seed=seed)

    def silence(self, layer: str) -> Tensor:
        """Return for how many steps each unit of a layer has been silent, shape (n_units,)."""
        return self._state[layer]["silence"].clone()

    def _new_state(self, n_units: int, device: torch.device) -> dict[str, Tensor]:
        return {
            "records": torch.zeros(n_units, self._longest + 1, dtype=torch.int64, device=device),
            "silence": torch.zeros(n_units, dtype=torch.int64, device=device),
            "limits": torch.full((n_units,), self._longest + 1, dtype=torch.int64, device=device),
            "fired": torch.zeros(n_units, dtype=torch.bool, device=device),
        }

    def _choose(self, layer: str, sent: Sent) -> Tensor:
        state = self._state[layer]
        # the silence before a unit first fires is none between two firings
        counted = torch.where(state["fired"] | ~sent.fired, state["silence"], torch.full_like(state["silence"], -1))
        state["records"], silence = record_silences(state["records"], counted, sent.fired)
        state["silence"], state["fired"] = silence, state["fired"] | sent.fired
        if self._steps % self._every == 0:
            state["limits"] = silence_limits(state["records"], self._level)
        chosen = (state["silence"] >= state["limits"]).nonzero().flatten()
        state["records"][chosen] = 0
        state["silence"][chosen] = 0
        state["limits"][chosen] = self._longest + 1
        state["fired"][chosen] = False
        return chosen
