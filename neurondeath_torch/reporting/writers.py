"""Writers of a watch: TensorBoard and Weights & Biases.

Both take the caller's own writer or run, so that numbers stand beside those of the training.
"""

from collections.abc import Mapping
from typing import Any

from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.reporting.unit_watch import Alarm

__all__ = ["TensorBoardWriter", "WandbWriter"]

TAG = "neurondeath/alarms"


class TensorBoardWriter:
    """Write the numbers of a watch as scalars of TensorBoard, and its alarms as texts.

    Parameters
    ----------
    writer : SummaryWriter or str
        A `torch.utils.tensorboard.SummaryWriter` (or another object with its `add_scalar` and `add_text`), or a folder
        for a new one (package `tensorboard`).

    Raises
    ------
    InvalidArgumentError
        If it is neither.
    MissingExtraError
        If TensorBoard is not installed and a folder is given.
    """

    def __init__(self, writer: Any) -> None:
        if isinstance(writer, str):
            import_or_explain("tensorboard")
            writer = import_or_explain("torch.utils.tensorboard").SummaryWriter(writer)
        if not callable(getattr(writer, "add_scalar", None)) or not callable(getattr(writer, "add_text", None)):
            raise invalid("writer", "be a SummaryWriter of TensorBoard, or a folder for one", writer)
        self.writer = writer

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def alarm(self, alarm: Alarm) -> None:
        """Write an alarm."""
        self.writer.add_text(TAG, alarm.message, alarm.step)


class WandbWriter:
    """Write the numbers of a watch to a run of Weights & Biases, and its alarms as alerts.

    Parameters
    ----------
    run : wandb.Run, optional
        What `wandb.init` returned, or another object with its `log` and `alert`; by default the run that is active.
    step : bool
        Whether the watch's steps are the run's own; otherwise they are logged beside, as `neurondeath/step`, for runs
        that count their steps differently.

    Raises
    ------
    InvalidArgumentError
        If there is no such run.
    MissingExtraError
        If wandb is not installed and no run is given.
    """

    def __init__(self, run: Any = None, *, step: bool = False) -> None:
        if run is None:
            run = import_or_explain("wandb").run
        if not callable(getattr(run, "log", None)) or not callable(getattr(run, "alert", None)):
            raise invalid("run", "be a run of Weights & Biases", run, "call wandb.init first")
        self.run, self._step = run, step

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""
        if self._step:
            self.run.log(dict(values), step=step)
        else:
            self.run.log({**values, "neurondeath/step": step})

    def alarm(self, alarm: Alarm) -> None:
        """Write an alarm."""
        self.run.alert(title=f"{alarm.activation}: {alarm.kind}", text=alarm.message)
