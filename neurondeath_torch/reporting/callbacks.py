"""Callbacks for Lightning and the Hugging Face Trainer: each puts a `UnitWatch` on the model that is trained.

Their classes are made when they are first asked for, since they derive from classes of optional packages.
"""

from typing import Any

from torch import nn

from neurondeath_theory.foundation.errors import MissingExtraError
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.weight_layers import is_weight_layer
from neurondeath_torch.reporting.unit_watch import UnitWatch

__all__ = ["lightning_callback", "trainer_callback"]


def lightning_callback(module: str | None = None, **options: Any) -> Any:
    """Return a callback for a `Trainer` of Lightning that watches the units of the model in training.

    The numbers go to the trainer's loggers, under the trainer's steps.

    Parameters
    ----------
    module : str, optional
        Name of the part of the LightningModule to watch, which its `training_step` calls; "" for the LightningModule,
        where that calls itself. By default its only part with weights, or itself where there are several.
    **options
        As for `UnitWatch`.

    Returns
    -------
    Callback
        With the watch in its attribute `watch` once training has begun.

    Raises
    ------
    InvalidArgumentError
        If an option is out of its domain; when training begins, if there is no such part.
    MissingExtraError
        If neither `lightning` nor `pytorch_lightning` is installed.
    """
    _check_options(options)

    class UnitWatchCallback(_lightning_base()):  # type: ignore[misc]
        """Watch of a model in training."""

        def __init__(self) -> None:
            super().__init__()
            self.watch: UnitWatch | None = None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            """Begin to count."""
            self.watch = UnitWatch(_part(pl_module, module), **options)
            self.watch.start()

        def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
            """Count a step, and log if it is due; a step that only accumulates gradients is none."""
            assert self.watch is not None  # training has begun
            if trainer.global_step == self.watch.steps:
                return
            values = self.watch.step(trainer.global_step)
            for logger in trainer.loggers if values else ():
                logger.log_metrics(values, step=trainer.global_step)

        def on_train_end(self, *_: Any) -> None:
            """Remove the hooks."""
            self._stop()

        def on_exception(self, *_: Any) -> None:
            """Remove the hooks."""
            self._stop()

        def _stop(self) -> None:
            if self.watch is not None:
                self.watch.stop()

    return UnitWatchCallback()


def trainer_callback(**options: Any) -> Any:
    """Return a callback for the `Trainer` of Hugging Face transformers that watches the units of the model in training.

    The numbers go to the writers of the watch, and to `trainer.state.log_history`.

    Parameters
    ----------
    **options
        As for `UnitWatch`.

    Returns
    -------
    TrainerCallback
        With the watch in its attribute `watch` once training has begun.

    Raises
    ------
    InvalidArgumentError
        If an option is out of its domain.
    MissingExtraError
        If transformers is not installed.
    """
    _check_options(options)
    base = import_or_explain("transformers").TrainerCallback

    class UnitWatchCallback(base):  # type: ignore[misc, valid-type]
        """Watch of a model in training."""

        def __init__(self) -> None:
            self.watch: UnitWatch | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            """Begin to count."""
            self.watch = UnitWatch(model, **options)
            self.watch.start()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Count a step, and log if it is due."""
            assert self.watch is not None  # training has begun
            values = self.watch.step(state.global_step)
            if values:
                state.log_history.append({**values, "step": state.global_step})

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Remove the hooks."""
            if self.watch is not None:
                self.watch.stop()

    return UnitWatchCallback()


def _check_options(options: dict[str, Any]) -> None:
    """Refuse bad options before training begins; names of modules are checked on the model itself."""
    UnitWatch(nn.Identity(), **{name: value for name, value in options.items() if name != "watch"})


def _lightning_base() -> Any:
    try:
        return import_or_explain("lightning.pytorch").Callback
    except MissingExtraError as missing:
        try:
            return import_or_explain("pytorch_lightning").Callback
        except MissingExtraError:
            raise missing from None


def _part(module: nn.Module, name: str | None) -> nn.Module:
    """Return the part of a LightningModule that is watched."""
    if name is None:
        parts = [part for part in module.children() if any(is_weight_layer(one) for one in part.modules())]
        return parts[0] if len(parts) == 1 else module
    named: dict[str, nn.Module] = dict(module.named_modules())
    if name not in named:
        raise invalid("module", "name a part of the LightningModule", name, "see named_modules()")
    return named[name]
