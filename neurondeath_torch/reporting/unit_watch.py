"""Watch a model in training: at a fixed interval the numbers of its units go to writers, with alarms.

An alarm is raised for an activation when more of its units are dead than expected, or when its firing rate has fallen
below a share of what it was at the first report. It is raised once, and again only after the activation has recovered.
Dead means silent on all passes since the last report, so an interval should hold many points: a unit that is silent on
n independent points fires on at most about 3 / n of all inputs, with 95 % confidence, or (3 + log n) / n whenever one
looks (`neurondeath_torch.networks.silence`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from torch import nn

from neurondeath_theory.foundation.notebook_display import NotebookOutput, in_notebook
from neurondeath_theory.foundation.notebook_tables import notebook_table
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.progress import new_display
from neurondeath_theory.foundation.validation import check_count, check_real, invalid
from neurondeath_torch.networks.name_patterns import matches
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport, UnitActivity
from neurondeath_torch.watching.monitor import DeadUnitMonitor

__all__ = ["Alarm", "UnitWatch", "Writer"]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Something that needs a look.

    Attributes
    ----------
    kind : str
        "dead" for more dead units than expected, "falling" for a firing rate that has fallen.
    activation : str
        The activation.
    step : int
        Step of the report.
    value, limit : float
        Share of dead units, or firing rate, and the limit that it has crossed.
    message : str
        The alarm in a sentence.
    """

    kind: str
    activation: str
    step: int
    value: float
    limit: float
    message: str

    def __str__(self) -> str:
        return self.message


class Writer(Protocol):
    """Where the numbers and the alarms of a watch go."""

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""

    def alarm(self, alarm: Alarm) -> None:
        """Write an alarm."""


class UnitWatch:
    """A monitor of a model in training that reports every few steps.

    Parameters
    ----------
    model : torch.nn.Module
        The model, which must itself be called.
    every : int
        Steps between reports.
    expected_dead : float or mapping of str to float
        Largest share of dead units, in [0, 1], that raises no alarm; by activation or pattern, where a name that fits
        none has no limit.
    falling : float
        Share, in [0, 1], of its first firing rate below which an activation raises an alarm; 0 for never.
    writers : sequence of Writer
        Where numbers and alarms go.
    on_alarm : callable, optional
        Called with every alarm; by default it is printed on stderr.
    layers, threshold, watch, outputs, passes
        As for `DeadUnitMonitor`; by default only passes in training mode are counted.

    Attributes
    ----------
    steps : int
        Number of the last step.
    alarms : list of Alarm
        All alarms so far.
    report : DeadUnitReport or None
        The last report.
    dead_since : dict of str to int array, shape (units,)
        For each activation the step of the report since which every report finds a unit dead; -1 for a unit that the
        last one finds alive. Where units are removed, the others count from the next report.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain or the model cannot be traced.

    Examples
    --------
    >>> import torch
    >>> model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.fill_(1.0), model[0].bias.copy_(torch.tensor([1.0, 1.0, -9.0, -9.0]))
    >>> alarms = []
    >>> with UnitWatch(model, every=2, expected_dead=0.25, on_alarm=alarms.append) as watch:
    ...     for _ in range(2):
    ...         _ = model(torch.rand(8, 2)).sum().backward()
    ...         numbers = watch.step()
    >>> numbers["neurondeath/1.relu/dead_share"], str(alarms[0])
    (0.5, 'step 2: 2 of 4 units of `1` (relu) are dead on 16 points, more than the expected 25 %')
    >>> watch.dead_since["1"].tolist()
    [-1, -1, 2, 2]
    >>> print(watch)
    step 2: 2 of 4 units dead, the first since step 2, 1 alarm
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        every: int = 100,
        expected_dead: float | Mapping[str, float] = 0.1,
        falling: float = 0.5,
        writers: Sequence[Writer] = (),
        on_alarm: Callable[[Alarm], Any] | None = None,
        layers: str | Iterable[str] | None = None,
        passes: str = "training",
        **options: Any,
    ) -> None:
        self._every = check_count("every", every)
        shares = dict(expected_dead) if isinstance(expected_dead, Mapping) else {"*": expected_dead}
        self._expected = {name: check_real("expected_dead", share, low=0.0, high=1.0) for name, share in shares.items()}
        self._falling = check_real("falling", falling, low=0.0, high=1.0)
        self._writers = list(writers)
        if on_alarm is not None and not callable(on_alarm):
            raise invalid("on_alarm", "be a function of an alarm", on_alarm)
        self._on_alarm = on_alarm or _print
        self._monitor = DeadUnitMonitor(model, layers=layers, passes=passes, **options)
        self._first: dict[str, float] = {}
        self._raised: set[tuple[str, str]] = set()
        self._open = False
        self.steps = 0
        self.alarms: list[Alarm] = []
        self.report: DeadUnitReport | None = None
        self.dead_since: dict[str, npt.NDArray[np.int64]] = {}
        self._output = NotebookOutput()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to count; does nothing while the watch is on."""
        if not self._open:
            self._monitor.__enter__()
            self._open = True

    def stop(self) -> None:
        """Remove the hooks; the numbers stay."""
        if self._open:
            self._open = False
            self._monitor.close()

    def step(self, number: int | None = None) -> dict[str, float] | None:
        """Count a step of the optimiser; report if it is due and the model was called since the last report.

        Parameters
        ----------
        number : int, optional
            Number of the step in the training's own count; by default the calls of this method, from 1.

        Returns
        -------
        dict of str to float or None
            The numbers, if it was due.
        """
        self.steps = self.steps + 1 if number is None else number
        if self.steps % self._every or not self._monitor.n_batches:
            return None
        return self.look()

    def look(self) -> dict[str, float]:
        """Report now, on the passes since the last report, and start the counts again."""
        self.report = self._monitor.report()
        self._monitor.reset()
        for one in self.report.activities:
            self._note_death(one)
        values = self.report.scalars()
        found = [alarm for one in self.report.activities for alarm in self._alarms_of(one)]
        values["neurondeath/alarms"] = float(len(found))
        for writer in self._writers:
            writer.scalars(values, self.steps)
        for alarm in found:
            self.alarms.append(alarm)
            for writer in self._writers:
                writer.alarm(alarm)
            self._on_alarm(alarm)
        if in_notebook():
            self._output.show(self._repr_html_(), str(self))
        return values

    def __str__(self) -> str:
        if self.report is None:
            return f"step {self.steps}: no report yet, one every {self._every} steps"
        dead = [int(step) for steps in self.dead_since.values() for step in steps[steps >= 0]]
        first = f", the first since step {min(dead)}" if dead else ""
        alarms = f"{len(self.alarms)} alarm{'s' * (len(self.alarms) != 1)}"
        return f"step {self.steps}: {len(dead)} of {self.report.n_units} units dead{first}, {alarms}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        seen = [] if self.report is None else self.report.activities
        since = [steps[steps >= 0] for steps in (self.dead_since[one.name] for one in seen)]
        columns: dict[str, list[Any]] = {
            "activation": [one.label for one in seen],
            "units": [one.n_units for one in seen],
            "dead": [len(steps) for steps in since],
            "dead since step": [f"{steps.min()} to {steps.max()}" if len(steps) else "" for steps in since],
            "firing rate": [one.firing_rate for one in seen],
        }
        return notebook_table(str(self), columns)

    def _note_death(self, one: UnitActivity) -> None:
        """Keep since when each unit has been dead; after a removal of units it begins again."""
        since = self.dead_since.get(one.name)
        if since is None or len(since) != one.n_units:
            since = np.full(one.n_units, -1)
        self.dead_since[one.name] = np.where(one.dead, np.where(since < 0, self.steps, since), -1)

    def _alarms_of(self, one: UnitActivity) -> list[Alarm]:
        """Judge an activation; an alarm that stays is raised once."""
        start = self._first.setdefault(one.name, one.firing_rate)
        dead, limits = int(one.dead.sum()), [s for name, s in self._expected.items() if matches([name], one.name)]
        share, most, least = dead / max(one.n_units, 1), max(limits, default=1.0), self._falling * start
        head = f"step {self.steps}: "
        dying = (
            f"{head}{dead} of {one.n_units} units of {one.label} are dead on {one.n_samples} points, more than the "
            f"expected {format_number(100.0 * most, 3)} %"
        )
        fallen = (
            f"{head}the firing rate of {one.label} has fallen from {format_number(start, 3)} to "
            f"{format_number(one.firing_rate, 3)}"
        )
        found = []
        for kind, is_wrong, value, limit, message in (
            ("dead", share > most, share, most, dying),
            ("falling", one.firing_rate < least, one.firing_rate, least, fallen),
        ):
            if not is_wrong:
                self._raised.discard((kind, one.name))
            elif (kind, one.name) not in self._raised:
                self._raised.add((kind, one.name))
                values = {"value": value, "limit": limit, "message": message}
                found.append(Alarm(kind=kind, activation=one.name, step=self.steps, **values))  # type: ignore[arg-type]
        return found


def _print(alarm: Alarm) -> None:
    display = new_display()
    try:
        display.say(alarm.message)
    finally:
        display.close()
