"""Report of a monitor: the activity of every unit, and the number of dead units by each definition."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_instance, invalid, listed
from neurondeath_torch.networks.name_patterns import check_patterns, matches, matching_names
from neurondeath_torch.networks.silence import silent_by_chance
from neurondeath_torch.watching import definitions
from neurondeath_torch.watching.definitions import Overlap

__all__ = ["DeadUnitReport", "UnitActivity", "described", "scalar_name"]

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitActivity:
    """The units of one activation, over all data seen; arrays have shape (n_units,).

    Attributes
    ----------
    name : str
        Name of the activation: its module, or the calling module and the function; `#2` for a second call.
    layer : str or None
        The weight layer whose units these are; None if there is no single one.
    kind : str
        The function, such as relu; empty if it is not known.
    n_samples, n_positions, n_batches : int
        Samples, positions (samples times positions per sample), and forward passes seen.
    n_active : int array
        Positions at which the unit was active.
    mean_size : float array
        Mean of |h|.
    last_fired : int array
        Forward pass, counted from 1, at which the unit was last active; 0 for never.
    pruned : bool array or None
        Units whose incoming weights are all exactly zero; None if the layer is not known.
    """

    name: str
    layer: str | None
    n_samples: int
    n_positions: int
    n_batches: int
    n_active: npt.NDArray[np.int64]
    mean_size: npt.NDArray[np.float64]
    last_fired: npt.NDArray[np.int64]
    pruned: Flags | None
    kind: str = ""

    @property
    def label(self) -> str:
        """Module path and kind, for sentences."""
        return described(self.name, self.kind)

    @property
    def firing_rate(self) -> float:
        """Share of the numbers of the layer that are not zero."""
        return 1.0 - self.sparsity

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.n_active.size

    @cached_property
    def dead(self) -> Flags:
        """Units that were never active."""
        return definitions.dead(self.n_active)

    @cached_property
    def apoz(self) -> npt.NDArray[np.float64]:
        """Share of zeros of every unit."""
        return definitions.apoz(self.n_active, self.n_positions)

    @property
    def sparsity(self) -> float:
        """Share of zeros of the layer."""
        return float(self.apoz.mean())

    def dormant(self, tau: float) -> Flags:
        """Return which units are tau-dormant."""
        return definitions.dormant(self.mean_size, tau)

    def silent(self, window: int) -> Flags:
        """Return which units did not fire during the last `window` forward passes."""
        return definitions.silent(self.last_fired, self.n_batches, window)

    @property
    def silent_by_chance(self) -> float | None:
        """Estimated number of dead units that fire on other inputs; None if a sample has several positions."""
        if self.n_positions != self.n_samples or self.n_samples == 0:
            return None
        return silent_by_chance(self.n_active, self.n_samples)

    @property
    def static_dnr(self) -> float | None:
        """Share of units without an unpruned input; None if the layer is not known."""
        return None if self.pruned is None else definitions.static_dnr(self.pruned)

    @property
    def dynamic_dnr(self) -> float | None:
        """Mean share of units that are zero although they have unpruned inputs; None if the layer is not known."""
        return None if self.pruned is None else definitions.dynamic_dnr(self.apoz, self.pruned)


@dataclass(frozen=True, kw_only=True, eq=False)
class DeadUnitReport(Result):
    """Dead units by every definition; columns have one row per activation, in the order of execution.

    Attributes
    ----------
    activities : tuple of UnitActivity
        Observations, one entry per activation.
    never_zero : mapping of str to str
        Activations that have no dead units, and why.
    not_watched : mapping of str to str
        Operations that may hold units at zero but are no known activations, and which units.
    constant_inputs : mapping of str to bool array
        Weight layer -> its inputs (columns) that were the same number on all data, for layers whose inputs passed no
        known activation since the weight layer before; only layers that have such inputs.
    constant_outputs : bool
        Whether the model's outputs were the same for all points, up to rounding, though the points differ.
    tau : float
        Threshold of tau-dormancy.
    window : int
        Forward passes without firing after which a unit counts as silent.
    """

    activities: tuple[UnitActivity, ...]
    never_zero: Mapping[str, str]
    not_watched: Mapping[str, str]
    constant_inputs: Mapping[str, Flags]
    constant_outputs: bool
    tau: float
    window: int

    @property
    def n_units(self) -> int:
        """Units of all activations."""
        return sum(activity.n_units for activity in self.activities)

    @property
    def n_dead(self) -> int:
        """Dead units of all activations."""
        return sum(int(activity.dead.sum()) for activity in self.activities)

    @property
    def silent_by_chance(self) -> float | None:
        """Estimated number of dead units that fire on other inputs; None if no activation tells."""
        known = [one.silent_by_chance for one in self.activities]
        told = [number for number in known if number is not None]
        return sum(told) if told else None

    def __getitem__(self, name: str) -> UnitActivity:
        for activity in self.activities:
            if activity.name == name:
                return activity
        raise invalid("name", f"be one of {listed([activity.name for activity in self.activities])}", name)

    def dead_units(self, by: str = "activation") -> dict[str, Flags]:
        """Return the dead units as masks, True for dead.

        Parameters
        ----------
        by : {"activation", "layer"}
            Key of the mapping: the activation, or the weight layer whose units these are. A layer that feeds several
            activations has a dead unit where all of them are; activations without a single layer are left out.

        Returns
        -------
        dict of str to bool array, shape (n_units,)
        """
        check_choice("by", by, ("activation", "layer"))
        if by == "activation":
            return {activity.name: activity.dead for activity in self.activities}
        masks: dict[str, Flags] = {}
        for activity in self.activities:
            if activity.layer is not None:
                masks[activity.layer] = masks.get(activity.layer, np.True_) & activity.dead
        return masks

    def of_layers(self, layers: str | Iterable[str] | None) -> "DeadUnitReport":
        """Return the report on some activations: those whose own name, or whose weight layer's, is given or fits.

        Parameters
        ----------
        layers : str, iterable of str or None
            Names, or patterns such as "encoder.*"; None for all.

        Raises
        ------
        InvalidArgumentError
            If a name or pattern fits none.
        """
        patterns = check_patterns("layers", layers)
        if patterns is None:
            return self
        names = [name for one in self.activities for name in dict.fromkeys((one.name, one.layer or one.name))]
        matching_names("layers", patterns, names)  # refuses what fits none
        return replace(
            self,
            activities=tuple(one for one in self.activities if matches(patterns, one.name, one.layer)),
            never_zero={name: why for name, why in self.never_zero.items() if matches(patterns, name)},
            not_watched={name: why for name, why in self.not_watched.items() if matches(patterns, name)},
            constant_inputs={name: found for name, found in self.constant_inputs.items() if matches(patterns, name)},
        )

    def scalars(self, prefix: str = "neurondeath") -> dict[str, float]:
        """Return numbers by name, as logs of training take them.

        Parameters
        ----------
        prefix : str
            What the names begin with.

        Returns
        -------
        dict of str to float
            `dead`, `dead_share`, `dormant` and `firing_rate` of all activations, as `neurondeath/dead`, and of each,
            as `neurondeath/encoder.act/dead`; an activation whose module has a number for a name also has its kind
            there, as `neurondeath/features.3.relu/dead`.

        Examples
        --------
        >>> import torch
        >>> from neurondeath_torch.watching.monitor import DeadUnitMonitor
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
        >>> with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        ...     _ = model[0].weight.fill_(1.0), model[0].bias.copy_(torch.tensor([0.5, -9.0, 0.5]))
        ...     _ = model(torch.rand(8, 2))
        >>> found = monitor.report().scalars()
        >>> found["neurondeath/dead"], round(found["neurondeath/1.relu/firing_rate"], 3)
        (1.0, 0.667)
        """
        firing = sum(one.firing_rate * one.n_units for one in self.activities)
        dormant = [int(one.dormant(self.tau).sum()) for one in self.activities]
        found = {
            f"{prefix}/dead": float(self.n_dead),
            f"{prefix}/dead_share": self.n_dead / max(self.n_units, 1),
            f"{prefix}/dormant": float(sum(dormant)),
            f"{prefix}/firing_rate": firing / max(self.n_units, 1),
        }
        for one, sleeping in zip(self.activities, dormant, strict=True):
            dead, head = int(one.dead.sum()), f"{prefix}/{scalar_name(one.name, one.kind)}"
            found[f"{head}/dead"] = float(dead)
            found[f"{head}/dead_share"] = dead / max(one.n_units, 1)
            found[f"{head}/dormant"] = float(sleeping)
            found[f"{head}/firing_rate"] = one.firing_rate
        return found

    def overlap(self, later: "DeadUnitReport") -> Overlap:
        """Compare these dead units with those of a later report on the same activations."""
        check_instance("later", later, DeadUnitReport, "a DeadUnitReport", "call report() again")
        first, second = self.dead_units(), later.dead_units()
        if {name: mask.size for name, mask in first.items()} != {name: mask.size for name, mask in second.items()}:
            raise invalid("later", "hold the same activations and units", ", ".join(second), "compare before surgery")
        return definitions.overlap(
            np.concatenate(list(first.values())), np.concatenate([second[name] for name in first])
        )

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per activation."""
        seen = self.activities
        return {
            "activation": [activity.name for activity in seen],
            "kind": [activity.kind for activity in seen],
            "layer": [activity.layer for activity in seen],
            "units": [activity.n_units for activity in seen],
            "dead": [int(activity.dead.sum()) for activity in seen],
            "apoz": [activity.sparsity for activity in seen],
            "dormant": [int(activity.dormant(self.tau).sum()) for activity in seen],
            "silent": [int(activity.silent(self.window).sum()) for activity in seen],
            "static_dnr": [activity.static_dnr for activity in seen],
            "dynamic_dnr": [activity.dynamic_dnr for activity in seen],
        }

    def __str__(self) -> str:
        dormant = sum(int(activity.dormant(self.tau).sum()) for activity in self.activities)
        samples = max(activity.n_samples for activity in self.activities)
        return (
            f"{self.n_dead} of {self.n_units} units dead on {samples} samples, {dormant} dormant at "
            f"tau = {format_number(self.tau)}, in {len(self.activities)} activations"
        )


def described(name: str, kind: str) -> str:
    """Name an activation in a sentence by its module's path and its kind.

    Examples
    --------
    >>> described("features.3", "relu"), described("block.relu", "relu")
    ('`features.3` (relu)', '`block.relu`')
    """
    last = name.rpartition(".")[2].partition("#")[0]
    return f"`{name}` ({kind})" if kind and kind.lower() != last.lower() else f"`{name}`"


def scalar_name(name: str, kind: str) -> str:
    """Name an activation in a log: its module's path, with its kind where that ends in a number.

    Examples
    --------
    >>> scalar_name("features.3", "relu"), scalar_name("1#2", "relu"), scalar_name("block.act", "relu")
    ('features.3.relu', '1.relu#2', 'block.act')
    """
    path, mark, call = name.partition("#")
    return f"{path}.{kind}{mark}{call}" if kind and path.rpartition(".")[2].isdigit() else name
