"""Where an epoch is trained: the same versions, processor and number of threads give the same bits on a CPU."""

import platform
from typing import Any

import torch

from neurondeath.simulations.stores.provenance import cpu_name
from neurondeath_theory.foundation.version import __version__

__all__ = ["provenance_here"]


def provenance_here(device: torch.device) -> dict[str, Any]:
    """Describe this process: versions, type of the processor, device and number of threads.

    Examples
    --------
    >>> sorted(provenance_here(torch.device("cpu")))
    ['cpu', 'device', 'neurondeath', 'python', 'threads', 'torch']
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {
        "neurondeath": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cpu": cpu_name(),
        "device": name,
        "threads": torch.get_num_threads(),
    }
