"""Gaussian noise on the parameters of a model, a function of the seed, the step and the place of each weight alone.

Contiguous weights in single precision on the CPU get their noise from a compiled kernel, on as many threads as PyTorch
uses, which takes a quarter of the time of PyTorch's generator; all others get it from one call of a PyTorch generator
on their device. No state is kept: a resumed training draws the numbers of an uninterrupted one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.kernels.packed_arguments import Position
from neurondeath.simulations.kernels.weight_noise import CHUNK_SIZE, add_noise_to_units, add_noise_where_nonzero
from neurondeath_torch.surgery.resetting import stream_seed

__all__ = ["Noisy", "WeightNoise"]

LEAST_SPAN = 16 * CHUNK_SIZE  # weights per thread, from which a thread is worth its start


@dataclass(frozen=True)
class Noisy:
    """A parameter and which of its entries get noise.

    Parameters
    ----------
    parameter : Tensor
        The parameter, changed in place.
    units : bool Tensor or None
        Units that get noise, on the CPU for the kernel; None for entries whose gradient is not zero.
    axis : int
        Axis of the parameter that holds the units.
    """

    parameter: Tensor
    units: Tensor | None = None
    axis: int = 0


class WeightNoise:
    """Source of the noise of a training.

    Parameters
    ----------
    seed : int
        Seed of the noise.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        key = stream_key(seed, "weight noise")
        self._key = np.uint64(key[0]), np.uint64(key[1])
        self._threads: ThreadPoolExecutor | None = None
        self._n_threads = 0

    @torch.no_grad()
    def add(self, noisy: Sequence[Noisy], deviation: float, step: int) -> None:
        """Add noise to parameters.

        Parameters
        ----------
        noisy : sequence of Noisy
            The parameters; the noise of each depends on its place in the sequence.
        deviation : float
            Standard deviation; nothing is done for 0.
        step : int
            Number of the step.
        """
        if deviation == 0.0:
            return
        tasks: list[Callable[[], Any]] = []
        others: list[Noisy] = []
        for layer, entry in enumerate(noisy):
            if entry.units is None and entry.parameter.grad is None:
                continue
            if _for_kernel(entry.parameter) and (entry.units is not None or _for_kernel(entry.parameter.grad)):
                tasks += self._tasks(entry, Position(self._key, layer, step, np.uint64(0)), np.float32(deviation))
            else:
                others.append(entry)
        self._run(tasks)
        if others:
            self._add_by_generator(others, deviation, step)

    def _tasks(self, entry: Noisy, position: Position, scale: np.float32) -> list[Callable[[], Any]]:
        weights = entry.parameter.detach().view(-1).numpy()
        parts = max(1, min(torch.get_num_threads(), weights.size // LEAST_SPAN))
        bounds = [CHUNK_SIZE * (weights.size * part // parts // CHUNK_SIZE) for part in range(parts)] + [weights.size]
        spans = list(pairwise(bounds))
        if entry.units is None:
            assert entry.parameter.grad is not None  # left out before
            gradients = entry.parameter.grad.view(-1).numpy()
            return [partial(add_noise_where_nonzero, weights, gradients, position, s, scale) for s in spans]
        units, run = entry.units.cpu().numpy(), int(np.prod(entry.parameter.shape[entry.axis + 1 :], dtype=np.int64))
        return [partial(add_noise_to_units, weights, units, run, position, s, scale) for s in spans]

    def _run(self, tasks: Sequence[Callable[[], Any]]) -> None:
        n_threads = torch.get_num_threads()
        if n_threads == 1 or len(tasks) < 2:
            for task in tasks:
                task()
            return
        if self._threads is None or self._n_threads != n_threads:
            self._threads, self._n_threads = ThreadPoolExecutor(n_threads), n_threads
        for done in [self._threads.submit(task) for task in tasks]:
            done.result()

    def _add_by_generator(self, noisy: Sequence[Noisy], deviation: float, step: int) -> None:
        for device in dict.fromkeys(entry.parameter.device for entry in noisy):
            here = [entry for entry in noisy if entry.parameter.device == device]
            generator = torch.Generator(device).manual_seed(stream_seed(self._seed, step))
            sizes = [entry.parameter.numel() for entry in here]
            drawn = torch.empty(sum(sizes), device=device).normal_(0.0, deviation, generator=generator)
            draws = torch.split(drawn, sizes)
            for entry, flat in zip(here, draws, strict=True):
                draw = flat.view(entry.parameter.shape)
                if entry.units is None:
                    assert entry.parameter.grad is not None  # left out before
                    draw = draw.mul_(entry.parameter.grad != 0)
                else:
                    shape = [-1 if i == entry.axis else 1 for i in range(draw.dim())]
                    draw = draw.mul_(entry.units.to(device).view(shape))
                entry.parameter.add_(draw)


def _for_kernel(tensor: Tensor | None) -> bool:
    return (
        tensor is not None
        and tensor.dtype == torch.float32
        and tensor.device.type == "cpu"
        and tensor.layout == torch.strided
        and tensor.is_contiguous()
    )
