"""The largest learning rate that keeps units alive, measured, beside the forecast of the absorbed walk.

`learning_rate_for_life` trains every learning rate of an experiment file with several seeds, or reads a study, and
recommends the largest rate whose expected share of dead units stays below a limit. Beside each rate stands the forecast
of `neurondeath_torch.training.death_forecasts`, made from the network at birth without training.

Where the forecast fails. On the study dead_units (perceptron 3 x 100 on the digits, plain SGD, 40 epochs, 10 seeds) the
share measured at rates 0.03, 0.1, 0.2, 0.4, 0.6, 0.8 is .050, .027, .015, .010, .083, .37, forecast .023, .038, .13,
.34, .48, .59; over all its twelve settings the rank correlation is .60, with a bootstrap interval from -.09 to .91. On
sixteen settings of Adam (rates 0.001 to 0.03) and of SGD with momentum 0.9 (0.003 to 0.1), batches of 16 and 64, the
same network after 10 epochs, three seeds, it is .75, from .36 to .93. So the forecast is too high by a factor of up to
50 where training goes well, since it holds the noise of the untrained network fixed, which falls with the loss, and
lets no unit come back: at 0.4 fewer units are dead after training than before. It is too low at the smallest rates,
where the mean gradient kills, and knows nothing of divergence. The recommendation rests on what was measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.intervals import exact_interval, student_interval
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real, invalid
from neurondeath_torch.studies.count_worth import rank_correlation
from neurondeath_torch.studies.running import MADE_HERE, planned_runs
from neurondeath_torch.studies.tables import STUDIES, read_study
from neurondeath_torch.training.configuration import Experiment, varying_settings
from neurondeath_torch.training.death_forecasts import forecast_dead_share
from neurondeath_torch.training.experiment_files import read_experiments
from neurondeath_torch.training.loop import load_experiment_data, train
from neurondeath_torch.training.run_store import RunStore

__all__ = ["LearningRateForLife", "learning_rate_for_life"]

DRAWS = 2000  # of the bootstrap of the rank correlation
FORECAST_SEEDS = 3  # networks over which a forecast is averaged
RATE = "optimiser.learning_rate"
Progress = Callable[[int, int], None]
Outcome = tuple[float, int, int]  # share of dead units at birth, dead units and units at the end


@dataclass(frozen=True, kw_only=True)
class LearningRateForLife(Result):
    """Dead units against the learning rate, measured and forecast, one row per experiment.

    Attributes
    ----------
    most_dead : float
        The limit of the share of dead units.
    confidence : float
        Of the intervals.
    settings : tuple of str
        What an experiment differs in from others apart from its learning rate; rows of one text are compared.
    learning_rate : float array, shape (n,)
        Ascending within the rows of one setting.
    runs, diverged : int array, shape (n,)
        Runs that ended, and runs whose loss was no longer finite.
    born_dead, dead, low, high : float array, shape (n,)
        Share of units that are dead before training; after it, with its interval; NaN where all runs diverged.
    forecast : float array, shape (n,)
        The share after training by the absorbed walk; NaN where there is no forecast.
    safe : bool array, shape (n,)
        Whether no run diverged and the upper limit is below `most_dead`.
    agreement, agreement_low, agreement_high : float
        Rank correlation of forecast and measurement over the rows, with a bootstrap interval; NaN below four rows.
    """

    most_dead: float
    confidence: float
    settings: tuple[str, ...]
    learning_rate: npt.NDArray[np.float64]
    runs: npt.NDArray[np.int64]
    diverged: npt.NDArray[np.int64]
    born_dead: npt.NDArray[np.float64]
    dead: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    forecast: npt.NDArray[np.float64]
    safe: npt.NDArray[np.bool_]
    agreement: float
    agreement_low: float
    agreement_high: float

    @property
    def recommended(self) -> dict[str, float | None]:
        """The largest safe learning rate of each setting; None where none is safe."""
        return {setting: self._largest(setting, self.safe) for setting in dict.fromkeys(self.settings)}

    @property
    def forecast_recommended(self) -> dict[str, float | None]:
        """The largest learning rate of each setting whose forecast stays below the limit; None where there is none."""
        return {setting: self._largest(setting, self.forecast <= self.most_dead) for setting in self.recommended}

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per experiment."""
        names = ("learning_rate", "runs", "diverged", "born_dead", "dead", "low", "high", "forecast", "safe")
        return {"settings": self.settings, **{name: getattr(self, name) for name in names}}

    def __str__(self) -> str:
        found = "; ".join(
            f"{setting + ': ' if setting else ''}{'none' if rate is None else format_number(rate)}"
            for setting, rate in self.recommended.items()
        )
        limits = ", ".join(format_number(value, 2) for value in (self.agreement_low, self.agreement_high))
        order = f"; rank correlation with the walk at birth {format_number(self.agreement, 2)} [{limits}]"
        order = "" if np.isnan(self.agreement) else order
        return f"largest learning rate with at most {format_number(self.most_dead)} of the units dead: {found}{order}"

    def _largest(self, setting: str, chosen: npt.NDArray[np.bool_]) -> float | None:
        of_setting = np.array([each == setting for each in self.settings]) & chosen
        return float(self.learning_rate[of_setting].max()) if of_setting.any() else None


def learning_rate_for_life(
    source: str | Path | Mapping[str, Any],
    *,
    most_dead: float = 0.05,
    confidence: float = 0.95,
    store: str | Path = ":memory:",
    data_dir: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> LearningRateForLife:
    """Find the largest learning rate whose expected share of dead units stays below a limit.

    Parameters
    ----------
    source : str, path or mapping
        Name of a study that is a grid of trainings, such as "dead_units", whose table is read; or an experiment file,
        or its contents, whose experiments are trained: at least two seeds, and several values of
        `optimiser.learning_rate` in its grid. Other settings that vary (batch size, optimiser) are kept apart.
    most_dead : float
        Largest expected share of dead units at the end, in (0, 1); those born dead count.
    confidence : float
        Of the intervals, in (0, 1).
    store : path or ":memory:"
        Store of the runs; stored runs are not trained again.
    data_dir, device
        As in `train`.
    seed : int
        Of the bootstrap, and of the networks of the forecast.
    progress : callable, optional
        Called after every run with the number of finished runs and of all.

    Returns
    -------
    LearningRateForLife
        Measurement, interval and forecast of every experiment, and the rates recommended.

    Raises
    ------
    InvalidArgumentError
        If the experiments cannot be used, or an argument is out of its domain.
    RunStoreError
        If the store cannot be used.

    Notes
    -----
    The interval of the mean over seeds is Student's, and at least as wide upwards as the exact binomial one of all
    units of all runs, so that no death in a few runs is not taken for none ever. A rate at which a run diverged is not
    recommended. See the module for what was measured of the forecast, and where it fails.

    Examples
    --------
    >>> found = learning_rate_for_life("dead_units", most_dead=0.1)
    >>> found.recommended["weight_decay 0.0001, batch_size 32"]
    0.4
    """
    limit = check_real("most_dead", most_dead, low=0.0, high=1.0, low_open=True, high_open=True)
    level = check_real("confidence", confidence, low=0.0, high=1.0, low_open=True, high_open=True)
    seed = check_count("seed", seed, least=0)
    if isinstance(source, str) and source in STUDIES:
        experiments, outcomes = _of_study(source)
    else:
        experiments, seeds = read_experiments(source)
        _check_experiments(experiments, seeds)
        outcomes = _trained(experiments, seeds, store, data_dir, device, progress)
    rows = sorted(
        zip(_settings(experiments), experiments, outcomes, strict=True),
        key=lambda row: (row[0], row[1].optimiser.learning_rate),
    )
    measured = [_interval([outcome for outcome in found if outcome is not None], level) for _, _, found in rows]
    diverged = np.array([sum(outcome is None for outcome in found) for _, _, found in rows])
    forecast = _forecasts([experiment for _, experiment, _ in rows], data_dir, seed)
    born, dead, low, high = np.array(measured, dtype=np.float64).T
    return LearningRateForLife(
        most_dead=limit,
        confidence=level,
        settings=tuple(setting for setting, _, _ in rows),
        learning_rate=np.array([experiment.optimiser.learning_rate for _, experiment, _ in rows]),
        runs=np.array([len(found) for _, _, found in rows]) - diverged,
        diverged=diverged,
        born_dead=born,
        dead=dead,
        low=low,
        high=high,
        forecast=forecast,
        safe=(diverged == 0) & (high <= limit),
        **_agreement(forecast, dead, level, seed),
    )


def _of_study(name: str) -> tuple[list[Experiment], list[list[Outcome | None]]]:
    if name in MADE_HERE:
        raise invalid("source", "name a study that is a grid of trainings", name)
    _, experiments, _ = planned_runs(name)
    runs: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
    for row in read_study(name).rows:
        runs.setdefault((row["experiment"], row["seed"]), []).append(row)
    outcomes = [
        [_outcome(rows) for (experiment_id, _), rows in runs.items() if experiment_id == experiment.experiment_id]
        for experiment in experiments
    ]
    if not all(outcomes):
        raise invalid("source", "name a study whose table holds all of its experiments", name, "run the study again")
    return experiments, outcomes


def _check_experiments(experiments: Sequence[Experiment], seeds: Sequence[int]) -> None:
    if len(seeds) < 2:
        raise invalid("seeds", "be at least two, for an interval", list(seeds))
    if len({experiment.optimiser.learning_rate for experiment in experiments}) < 2:
        rule = f'vary the learning rate, as "{RATE}" = [0.01, 0.1]'
        raise invalid("grid", rule, [experiment.optimiser.learning_rate for experiment in experiments])


def _trained(
    experiments: Sequence[Experiment],
    seeds: Sequence[int],
    store: str | Path,
    data_dir: str | Path | None,
    device: str,
    progress: Progress | None,
) -> list[list[Outcome | None]]:
    outcomes: list[list[Outcome | None]] = []
    with RunStore(store) as opened:
        for experiment in experiments:
            data = load_experiment_data(experiment, data_dir)
            outcomes.append([])
            for one in seeds:
                run = train(experiment, seed=one, store=opened, data=data, device=device)
                outcomes[-1].append(_outcome(run.epochs))
                if progress is not None:
                    progress(sum(map(len, outcomes)), len(experiments) * len(seeds))
    return outcomes


def _outcome(epochs: Sequence[Mapping[str, Any]]) -> Outcome | None:
    """Return what a run found; None if it diverged."""
    first, last = epochs[0], epochs[-1]
    if last["diverged"] or last["dead_units"] is None:
        return None
    if not last["units"]:
        raise invalid("source", "train networks with units that can die", "no such unit")
    return (first["dead_units"] or 0) / last["units"], last["dead_units"], last["units"]


def _settings(experiments: Sequence[Experiment]) -> list[str]:
    """Name what each experiment differs in from others apart from its learning rate."""
    settings = [experiment.settings() for experiment in experiments]
    varying = [name for name in varying_settings(settings) if name != RATE]
    shown = [[f"{name.rpartition('.')[2]} {chosen.get(name)}" for name in varying] for chosen in settings]
    return [", ".join(words) for words in shown]


def _interval(found: Sequence[Outcome], level: float) -> tuple[float, float, float, float]:
    """Return the share dead at birth, the share at the end and its limits."""
    if not found:
        return (float("nan"),) * 4
    mean, low, high = student_interval([dead / units for _, dead, units in found], level)
    exact = exact_interval(sum(dead for _, dead, _ in found), sum(units for _, _, units in found), level)
    low, high = min(low, float(exact[0])), max(high, float(exact[1]))
    return float(np.mean([born for born, _, _ in found])), mean, max(low, 0.0), min(high, 1.0)


def _forecasts(experiments: Sequence[Experiment], data_dir: str | Path | None, seed: int) -> npt.NDArray[np.float64]:
    found = []
    for experiment in experiments:
        data = load_experiment_data(experiment, data_dir)
        shares = [forecast_dead_share(experiment, data, seed=seed + number) for number in range(FORECAST_SEEDS)]
        known = [share for share in shares if share is not None]
        found.append(float(np.mean(known)) if known else float("nan"))
    return np.array(found)


def _agreement(
    forecast: npt.NDArray[np.float64], dead: npt.NDArray[np.float64], level: float, seed: int
) -> dict[str, float]:
    known = ~np.isnan(forecast) & ~np.isnan(dead)
    x, y = forecast[known], dead[known]
    if len(x) < 4:
        return dict.fromkeys(("agreement", "agreement_low", "agreement_high"), float("nan"))
    rng = np.random.default_rng(seed)
    drawn = [rank_correlation(x[rows], y[rows]) for rows in rng.integers(len(x), size=(DRAWS, len(x)))]
    low, high = np.nanquantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return {"agreement": rank_correlation(x, y), "agreement_low": float(low), "agreement_high": float(high)}
