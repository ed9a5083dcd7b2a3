"""The training loop: one experiment under one seed, measured every epoch, stored, checkpointed, resumable.

Order, augmentation, weights and noise depend only on the seed and the epoch: an interrupted and resumed run gives the
same results as an uninterrupted one, on the same machine with the same number of threads. A method acts between epochs,
after an epoch has been measured and before the next begins, so that trained networks are measured; where it rewinds the
weights, the learning-rate schedule restarts. Where there are tasks, the next one begins between two epochs: data and
deciding data change and the learning-rate schedule restarts; weights, optimiser and method go on.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn, optim
from torch.optim.lr_scheduler import LRScheduler

from neurondeath_theory.foundation.progress import notebook_progress
from neurondeath_theory.foundation.validation import check_choice, check_count
from neurondeath_torch.methods.training_method import TrainingMethod
from neurondeath_torch.surgery.shrunk_models import load_shrunk
from neurondeath_torch.training.batches import epoch_batches, n_batches
from neurondeath_torch.training.checkpoints import (
    checkpoint_lease,
    damaged_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from neurondeath_torch.training.configuration import Experiment
from neurondeath_torch.training.deciding_data import DecidingData
from neurondeath_torch.training.forecasts import forecast, measure_chain
from neurondeath_torch.training.labelled_data import LabelledData, load_labelled_data
from neurondeath_torch.training.measurements import measure_epoch
from neurondeath_torch.training.method_building import build_method, cycle_epochs
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.objectives import loss_of, n_right
from neurondeath_torch.training.optimisers import make_optimiser, make_schedule
from neurondeath_torch.training.random_seeds import seed_of
from neurondeath_torch.training.run_provenance import provenance_here
from neurondeath_torch.training.run_store import RunStore, StoredRun
from neurondeath_torch.training.sealed_archives import FAILURES
from neurondeath_torch.training.task_measurements import measure_task, task_means
from neurondeath_torch.training.task_sequences import TaskSequence
from neurondeath_torch.training.training_run import TrainingRun

__all__ = ["find_device", "load_experiment_data", "train"]

DEVICES = ("auto", "cpu", "cuda", "mps")
Stopped = Callable[[], bool]
Progress = Callable[[int, int, Mapping[str, Any]], None]


def train(
    experiment: Experiment,
    *,
    seed: int = 0,
    store: RunStore | None = None,
    checkpoint: Path | None = None,
    data: LabelledData | None = None,
    data_dir: str | Path | None = None,
    device: str = "auto",
    stopped: Stopped = lambda: False,
    progress: Progress | None = None,
) -> TrainingRun:
    """Train an experiment under a seed.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    seed : int
        Seed of the weights, the batches and the method's noise; the choice of images is the same under every seed.
    store : RunStore, optional
        Store of every epoch's measurements; a complete run is read from it instead of being trained again.
    checkpoint : path, optional
        File of the run's state, written after every epoch; if it exists, the run is resumed from it.
    data : LabelledData, optional
        The experiment's data, if already loaded; by default they are loaded.
    data_dir : path, optional
        Folder of the MNIST or CIFAR-10 files.
    device : {"auto", "cpu", "cuda", "mps"}
        "auto" selects CUDA if it is available.
    stopped : callable
        Called before every batch; if it returns True, the epoch is abandoned and the run returned unfinished.
    progress : callable, optional
        Called after every epoch with the epoch, the number of epochs and the measurements; by default a notebook shows
        a bar.

    Returns
    -------
    TrainingRun
        Measurements and the trained model.

    Raises
    ------
    InvalidArgumentError
        If parts of the experiment are incompatible or the device is not available.
    RunStoreError
        If the store or the checkpoint cannot be read or written.

    Examples
    --------
    >>> run = train(Experiment(epochs=2))
    >>> run.epochs[0]["test_accuracy"] < 0.3, run.last["test_accuracy"] > 0.8
    (True, True)
    """
    seed = check_count("seed", seed, least=0)
    chosen = find_device(device)
    name = (experiment.experiment_id, seed)
    if store is not None and (stored := _read_finished(store, *name)) is not None:
        return _finished(experiment, stored, chosen, checkpoint, data, data_dir)
    images = (data or load_experiment_data(experiment, data_dir)).to(chosen)
    with ExitStack() as held:
        if store is not None:
            held.enter_context(store.lease(*name))
            if (stored := _read_finished(store, *name)) is not None:  # by the process that has just returned the lease
                return _finished(experiment, stored, chosen, checkpoint, images, data_dir)
        if checkpoint is not None:
            held.enter_context(checkpoint_lease(checkpoint, *name))
        run = _Run(experiment, seed, images, chosen, checkpoint)
        if store is not None:
            store.begin(
                *name, name=experiment.name, description=experiment.description(), provenance=provenance_here(chosen)
            )
        n_resumed = len(run.measured)
        shown = held.enter_context(notebook_progress("training", experiment.all_epochs, step="epoch"))
        for epoch in range(experiment.all_epochs + 1):
            if epoch >= len(run.measured) and not run.train_epoch(epoch, stopped):
                return run.result(finished=False)
            measured = run.measured[epoch]
            if store is not None:
                store.note(*name, epoch, measured, provenance=run.made[epoch], replace=epoch >= n_resumed)
            if progress is not None:
                progress(epoch, experiment.all_epochs, measured)
            elif shown is not None and epoch:
                shown.step()
            if measured["diverged"]:
                break
    return run.result(finished=True)


def load_experiment_data(experiment: Experiment, data_dir: str | Path | None = None) -> LabelledData:
    """Load the data of an experiment, the same for every seed."""
    choice = experiment.data
    return load_labelled_data(
        choice.name,
        n_train=choice.n_train,
        n_test=choice.n_test,
        validation=choice.validation,
        centre=choice.centre,
        data_dir=data_dir,
    )


def find_device(name: str) -> torch.device:
    """Return a device by name, if it is available."""
    check_choice("device", name, DEVICES)
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    check_choice("device", name, [kind for kind, found in available.items() if found])
    return torch.device(name)


def _read_finished(store: RunStore, experiment_id: str, seed: int) -> StoredRun | None:
    """Read a run if it is complete, and remove the lock of a process that was killed after its last epoch."""
    run = store.run(experiment_id, seed)
    if run is None or not run.finished:
        return None
    if not store.readonly:
        store.remove_free_lock(experiment_id, seed)
    return run


def _finished(
    experiment: Experiment,
    stored: StoredRun,
    device: torch.device,
    checkpoint: Path | None,
    data: LabelledData | None,
    data_dir: str | Path | None,
) -> TrainingRun:
    """Return a stored run, with its model if there is a checkpoint."""
    saved = None
    if checkpoint is not None:
        saved = read_checkpoint(checkpoint, device, stored.experiment_id, stored.seed)
    model = None
    if saved is not None and checkpoint is not None:
        images = data or load_experiment_data(experiment, data_dir)
        model = _model(experiment, stored.seed, images, device, saved, checkpoint)
    return TrainingRun(experiment=experiment, seed=stored.seed, epochs=tuple(stored.epochs), finished=True, model=model)


def _model(
    experiment: Experiment,
    seed: int,
    data: LabelledData,
    device: torch.device,
    saved: Mapping[str, Any] | None,
    checkpoint: Path | None,
) -> nn.Module:
    """Build the experiment's model, with the shapes and weights of a checkpoint if there is one."""
    images = data.train.images.cpu()
    model = build_model(experiment.model, data.shape, data.n_classes, seed=seed, images=images)
    if saved is not None and checkpoint is not None:
        with _restoring(checkpoint):
            load_shrunk(model, saved["model"])
    return model.to(device)


@contextmanager
def _restoring(checkpoint: Path) -> Iterator[None]:
    """Replace the errors of PyTorch about a checkpoint that does not fit its run."""
    try:
        yield
    except FAILURES as error:
        raise damaged_checkpoint(checkpoint, error) from None


class _Run:
    """A run in progress: the network, its optimiser, schedule and method, and the measurements so far."""

    def __init__(
        self, experiment: Experiment, seed: int, data: LabelledData, device: torch.device, checkpoint: Path | None
    ) -> None:
        self.experiment, self.seed, self.checkpoint = experiment, seed, checkpoint
        self.sequence = TaskSequence(experiment.tasks, data, seed=seed, epochs=experiment.epochs)
        self.data = self.sequence.data_of(0)
        self.cycle = cycle_epochs(experiment)
        name = (experiment.experiment_id, seed)
        saved = read_checkpoint(checkpoint, device, *name) if checkpoint is not None else None
        self.here = provenance_here(device)
        self.measured: list[dict[str, Any]] = [] if saved is None else saved["measured"]
        self.made: list[dict[str, Any] | None] = [] if saved is None else saved.get("made", [None] * len(self.measured))
        task = self.sequence.task_at(len(self.measured) - 1)
        self.model = _model(experiment, seed, self.data, device, saved, checkpoint)
        self.data = self.sequence.data_of(task)
        self.deciding = DecidingData(self.data, experiment.measure)
        self.optimiser: optim.Optimizer = make_optimiser(experiment.optimiser, self.model.parameters())
        self.schedule = self._new_schedule()
        self.method: TrainingMethod = build_method(
            experiment,
            self.model,
            self.optimiser,
            self.data,
            seed=seed,
            steps=self._mean_steps(),
            deciding=self.deciding,
        )
        if saved is not None and checkpoint is not None:
            with _restoring(checkpoint):
                if len(self.measured) > experiment.all_epochs + 1:
                    raise ValueError(f"{len(self.measured)} epochs of {experiment.all_epochs}")
                self.optimiser.load_state_dict(saved["optimiser"])
                self.schedule.load_state_dict(saved["schedule"])
                self.method.load_state_dict(saved["method"])

    def _new_schedule(self) -> LRScheduler:
        epochs = self.cycle or self.experiment.epochs
        steps = n_batches(len(self.data.train), self.experiment.optimiser.batch_size)
        return make_schedule(self.experiment.optimiser, self.optimiser, steps * epochs)

    def _mean_steps(self) -> int:
        """Return the steps per epoch, averaged over the tasks where these differ in their images."""
        tasks = range(self.sequence.number) if self.experiment.tasks.kind == "class-incremental" else (0,)
        batch = self.experiment.optimiser.batch_size
        steps = [n_batches(len(self.sequence.data_of(task).train), batch) for task in tasks]
        return round(sum(steps) / len(steps))

    def _between_epochs(self, finished: int) -> None:
        """Apply the method; if it has rewound the weights, or a task begins, restart the learning-rate schedule."""
        self.method.after_epoch()
        begins = self.sequence.starts_task(finished + 1)
        if begins:
            self._begin_task(self.sequence.task_at(finished + 1))
        if begins or (self.cycle is not None and finished % self.cycle == 0):
            for group in self.optimiser.param_groups:
                group["lr"] = self.experiment.optimiser.learning_rate
                group.pop("initial_lr", None)
            self.schedule = self._new_schedule()

    def _begin_task(self, task: int) -> None:
        """Go on to the data of a task, with newly drawn weights if the experiment asks for them."""
        self.data = self.sequence.data_of(task)
        self.deciding.show(self.data)
        if self.experiment.tasks.fresh:
            device = self.data.train.images.device
            drawn = _model(self.experiment, seed_of(self.seed, task, "fresh weights"), self.data, device, None, None)
            self.model.load_state_dict(drawn.state_dict())
            self.optimiser = make_optimiser(self.experiment.optimiser, self.model.parameters())

    def train_epoch(self, epoch: int, stopped: Stopped) -> bool:
        """Train one epoch (none for epoch 0), measure, write the checkpoint; return False if stopped."""
        started = time.perf_counter()
        if epoch > 1:
            self._between_epochs(epoch - 1)
        online = self._pass(epoch, stopped) if epoch > 0 else {"running_loss": None, "online_accuracy": None}
        if online is None:
            return False
        train_seconds = time.perf_counter() - started
        measured = {
            "epoch": epoch,
            "running_loss": online["running_loss"],
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            "train_seconds": train_seconds,
            **measure_epoch(self.model, self.data, n_images=self.experiment.measure),
            **measure_chain(self.experiment.model, self.model, self.data.train.images[: self.experiment.measure]),
            **(forecast(self.experiment.model) if epoch == 0 else {}),
        }
        if self.experiment.tasks.given:
            measured |= online | measure_task(self.model, self.sequence, self.sequence.task_at(epoch))
            measured |= task_means(self.measured, measured)
        measured["diverged"] = not math.isfinite(measured["train_loss"])
        self.measured.append(measured)
        self.made.append(self.here)
        if self.checkpoint is not None:
            write_checkpoint(
                self.checkpoint,
                {
                    "experiment_id": self.experiment.experiment_id,
                    "seed": self.seed,
                    "made": self.made,
                    "model": self.model.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "schedule": self.schedule.state_dict(),
                    "method": self.method.state_dict(),
                    "measured": self.measured,
                },
            )
        return True

    def _pass(self, epoch: int, stopped: Stopped) -> dict[str, float | None] | None:
        """Train on every image once; return mean loss and accuracy before the steps, None if stopped."""
        total, right, seen = torch.zeros(()), torch.zeros((), dtype=torch.int64), 0
        self.model.train()
        augment = self.experiment.data.augment
        for images, classes in epoch_batches(
            self.data.train,
            self.experiment.optimiser.batch_size,
            seed=self.seed,
            epoch=epoch,
            shift=augment,
            mirror=augment and self.data.name == "cifar10",
        ):
            if stopped():
                return None
            loss, hits = self._step(images, classes)
            total, seen = total + loss * len(classes), seen + len(classes)
            right = right if hits is None else right + hits
        counted = self.experiment.tasks.given and not self.data.train.classes.is_floating_point()
        return {"running_loss": float(total) / seen, "online_accuracy": int(right) / seen if counted else None}

    def _step(self, images: torch.Tensor, classes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Make one step; return the loss, and where there are tasks the number of right outputs, before it."""
        self.optimiser.zero_grad()
        outputs = self._outputs(images)
        loss = loss_of(outputs, classes)
        (loss + self.method.penalty()).backward()  # type: ignore[no-untyped-call]
        if self.experiment.optimiser.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.experiment.optimiser.clip)
        self.optimiser.step()
        self.schedule.step()
        self.method.after_step()
        return loss.detach(), n_right(outputs.detach(), classes) if self.experiment.tasks.given else None

    def _outputs(self, images: torch.Tensor) -> torch.Tensor:
        """Return the outputs of a step in float32, computed in the precision that is asked for."""
        half = self.experiment.optimiser.precision == "bfloat16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
            return cast(torch.Tensor, self.model(images)).float()

    def result(self, *, finished: bool) -> TrainingRun:
        """Return the run in its current state."""
        return TrainingRun(
            experiment=self.experiment, seed=self.seed, epochs=tuple(self.measured), finished=finished, model=self.model
        )
