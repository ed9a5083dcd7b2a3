"""State dicts from elsewhere: nested in a checkpoint, and with the prefixes of wrappers before their names."""

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

__all__ = ["PREFIXES", "plain_state"]

# of DataParallel and its distributed kin, of Lightning modules and others that hold a model, of torch.compile
PREFIXES = ("module.", "model.", "_orig_mod.")
COMPILED = "_orig_mod."
NESTED = ("state_dict", "model", "model_state_dict", "module", "ema_state_dict")
MOST_PREFIXES = 8


def plain_state(loaded: Any, names: Collection[str]) -> Any:
    """Find the state dict in a checkpoint, and name its tensors as a model does.

    Parameters
    ----------
    loaded : object
        What a file held: a state dict, or a mapping with one under `state_dict`, `model` or the like, at any depth.
    names : collection of str
        The names of the model's own state.

    Returns
    -------
    object
        The state dict, without the prefixes `module.`, `model.` and `_orig_mod.` that all its names have and the
        model's have not, and without `_orig_mod.` inside them; what is no mapping of names is returned unchanged.

    Examples
    --------
    >>> checkpoint = {"epoch": 3, "state_dict": {"module.fc.weight": 1.0, "module.fc.bias": 2.0}}
    >>> plain_state(checkpoint, ["fc.weight", "fc.bias"])
    {'fc.weight': 1.0, 'fc.bias': 2.0}
    """
    state = _state_inside(loaded, set(names))
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        return state
    own = set(names)
    for _ in range(MOST_PREFIXES):
        if own & state.keys():
            break
        prefix = next((one for one in PREFIXES if state and all(key.startswith(one) for key in state)), None)
        if prefix is None:
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    inside = {key.replace(f".{COMPILED}", ".").removeprefix(COMPILED): value for key, value in state.items()}
    fits = len(inside) == len(state) and len(own & inside.keys()) > len(own & state.keys())
    return inside if fits else dict(state)


def _state_inside(loaded: Any, own: set[str]) -> Any:
    """Return the mapping of tensors in a nest of mappings; the outermost that holds a tensor or one of the names."""
    for _ in range(MOST_PREFIXES):
        if not isinstance(loaded, Mapping) or own & {key for key in loaded if isinstance(key, str)}:
            return loaded
        if any(isinstance(value, Tensor) for value in loaded.values()):
            return loaded
        inner = next((loaded[key] for key in NESTED if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            return loaded
        loaded = inner
    return loaded
