"""Checkpoints: the full state of a run in one file that is replaced atomically.

A checkpoint is PyTorch's archive of tensors, numbers and strings, which no code is needed to load
(`torch.load(path, weights_only=True)`); it names its run, and the archive's comment contains a checksum of the file.
A damaged checkpoint is refused and kept. Files of layout 1, without name and checksum, are read as well.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.input_files import read_input_bytes
from neurondeath_theory.foundation.visible_text import visible
from neurondeath_torch.training.run_errors import RunStoreError
from neurondeath_torch.training.run_leases import lease
from neurondeath_torch.training.run_rows import check_measured
from neurondeath_torch.training.sealed_archives import FAILURES, MOST_BYTES, seal, unseal
from neurondeath_torch.training.stored_runs import run_words

__all__ = ["checkpoint_lease", "damaged_checkpoint", "read_checkpoint", "write_checkpoint"]

LAYOUT = 2
COMMENT = b"neurondeath checkpoint, CRC-32 "
CONTENTS: dict[str, type] = {"model": dict, "optimiser": dict, "schedule": dict, "method": dict, "measured": list}


def checkpoint_lease(path: Path, experiment_id: str, seed: int) -> Any:
    """Reserve a checkpoint for this process during a block, and make its folder.

    Raises
    ------
    RunStoreError
        If another process holds it, or the folder cannot be made.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return lease(path, "", run_words(experiment_id, seed))


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, replacing an existing one.

    Raises
    ------
    RunStoreError
        If the folder cannot be written to or the disk is full; the old checkpoint is kept.
    """
    draft = path.with_name(f".{path.name}.draft")  # one name: a draft that a killed process has left is written over
    with _writing(path):
        try:
            with open(draft, "wb") as file:
                file.write(_seal(state))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise


def read_checkpoint(path: Path, device: torch.device, experiment_id: str, seed: int) -> dict[str, Any] | None:
    """Read the checkpoint of a run onto a device; None if there is none.

    Raises
    ------
    RunStoreError
        If the file is damaged, of another layout or of another run.
    """
    if not os.path.lexists(path):
        return None
    try:
        content = read_input_bytes("checkpoint", path, most_bytes=MOST_BYTES, what="checkpoint")
    except InvalidArgumentError as error:
        raise RunStoreError(f"cannot read the checkpoint: {error}; name another folder") from None
    try:
        state, sealed = unseal(content, COMMENT, device)
        _check_state(state, sealed)
    except _AnotherLayoutError as error:
        raise RunStoreError(
            f"the checkpoint {str(path)!r} has layout {error}, this version reads up to {LAYOUT}; delete it to retrain"
        ) from None
    except FAILURES as error:
        raise damaged_checkpoint(path, error) from None
    found = (state.get("experiment_id", experiment_id), state.get("seed", seed))
    if found != (experiment_id, seed):
        raise RunStoreError(
            f"the checkpoint {str(path)!r} is of {run_words(*found)}, not of {run_words(experiment_id, seed)}; "
            "move it away"
        )
    return dict(state)


def damaged_checkpoint(path: Path, error: Exception) -> RunStoreError:
    """Return the error for a checkpoint that is not as it was written."""
    words = " ".join(str(error).split())
    reason = visible(words)[:120] if words else type(error).__name__
    return RunStoreError(f"the checkpoint {str(path)!r} is damaged ({reason}); delete it to retrain")


class _AnotherLayoutError(Exception):
    """A checkpoint is of a layout that this version does not know."""


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # PyTorch's writer reports some failures as a RuntimeError
        reason = visible(" ".join(str(error).split()))[:200]
        raise RunStoreError(
            f"cannot write the checkpoint {str(path)!r} ({reason}); free disk space or name another folder"
        ) from None


def _seal(state: dict[str, Any]) -> bytes:
    return seal({"layout": LAYOUT, **state}, COMMENT)


def _check_state(state: Any, sealed: bool) -> None:
    """Check what a checkpoint contains, apart from the shapes of the network."""
    if not isinstance(state, dict):
        raise ValueError("it contains no state of a run")
    layout = state["layout"]
    if layout not in (1, LAYOUT):
        raise _AnotherLayoutError(visible(str(layout)[:20]))
    if (layout == LAYOUT) != sealed or (sealed and not {"experiment_id", "seed", "made"} <= state.keys()):
        raise ValueError("its checksum or its run is missing")
    for name, kind in CONTENTS.items():
        if not isinstance(state[name], kind):
            raise ValueError(f"`{name}` is missing")
    for epoch, measured in enumerate(state["measured"]):
        if not isinstance(measured, Mapping):
            raise ValueError(f"epoch {epoch} is missing")
        check_measured(measured, epoch)
    made = state.get("made", [None] * len(state["measured"]))
    if not isinstance(made, list) or len(made) != len(state["measured"]):
        raise ValueError("`made` is missing")
    if not state["measured"]:
        raise ValueError("it contains no epoch")


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where folders can be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
