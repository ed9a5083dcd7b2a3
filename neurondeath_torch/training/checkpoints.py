"""Checkpoints: the full state of a run in one file that is replaced atomically.

It holds only tensors, numbers and strings, which are safe to load.
"""

import pickle
from pathlib import Path
from typing import Any

import torch

from neurondeath_theory.foundation.atomic_files import draft_of
from neurondeath_torch.training.run_store import RunStoreError

__all__ = ["read_checkpoint", "write_checkpoint"]

LAYOUT = 1


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, replacing an existing one.

    Raises
    ------
    RunStoreError
        If the folder cannot be written to or the disk is full; the old checkpoint is kept.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            torch.save({"layout": LAYOUT, **state}, draft)
    except (OSError, RuntimeError) as error:  # PyTorch's writer reports a full disk as a RuntimeError
        raise RunStoreError(
            f"cannot write the checkpoint {str(path)!r} ({error}); free disk space or name another folder"
        ) from None


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """Read a checkpoint onto a device; None if there is none.

    Raises
    ------
    RunStoreError
        If the file is damaged or of another layout.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        layout = state["layout"]
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, AttributeError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunStoreError(f"the checkpoint {str(path)!r} is damaged ({reason}); delete it to retrain") from None
    if layout != LAYOUT:
        raise RunStoreError(f"the checkpoint {str(path)!r} has layout {layout}, this version reads {LAYOUT}; delete it")
    return state
