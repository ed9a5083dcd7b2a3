"""Measure what removing dead units saves: multiply-adds per image and seconds per training step.

A small convolutional network is trained on the digits by Demon Pruning without removals, so that dead units accumulate;
then they are all removed at once. Steps of both networks are timed alternately, so that both run under the same load of
the machine; what is compared is the ratio of each step to the one beside it, in time and in time of the processor.
"""

import copy
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from neurondeath_torch.surgery.removal import remove_dead_units
from neurondeath_torch.training.configuration import (
    DataChoice,
    Experiment,
    MethodChoice,
    ModelChoice,
    OptimiserChoice,
)
from neurondeath_torch.training.loop import load_experiment_data, train

__all__ = ["multiply_adds", "removal_rows"]

IMAGES_PER_STEP = 256


def removal_rows(
    *,
    epochs: int = 15,
    widths: Sequence[int] = (32, 32, 64, 64),
    peaks: Sequence[float] = (0.03, 0.1),
    repeats: int = 30,
    seeds: Sequence[int] = (10, 11, 12, 13, 14),
) -> list[dict[str, Any]]:
    """Train networks, remove their dead units, and measure each network before and after.

    Parameters
    ----------
    epochs : int
        Epochs of training.
    widths : sequence of int
        Channels of the convolutions.
    peaks : sequence of float
        Peaks of Demon Pruning's penalty.
    repeats : int
        Timed steps per network.
    seeds : sequence of int
        One training per peak and seed.

    Returns
    -------
    list of dict
        Two rows per peak and seed, `state` "before" and "after": `units`, `multiply_adds` of one image, `step_seconds`
        (median of the steps), `time_ratio` and `processor_ratio` (medians over pairs of steps, of their times after
        over before), `deviation` of the outputs.

    Examples
    --------
    >>> before, after = removal_rows(epochs=1, widths=[4, 4], peaks=[0.0], repeats=1, seeds=[0])
    >>> before["multiply_adds"] >= after["multiply_adds"], before["units"]
    (True, 8)
    """
    rows = []
    for peak in peaks:
        for seed in seeds:
            rows += _of_one_network(epochs, list(widths), float(peak), seed, repeats)
    return rows


def _of_one_network(epochs: int, widths: list[int], peak: float, seed: int, repeats: int) -> list[dict[str, Any]]:
    """Train a network, remove its dead units, and measure it before and after."""
    experiment = Experiment(
        epochs=epochs,
        data=DataChoice(validation=0.0),
        model=ModelChoice(kind="vgg", options={"widths": widths}),
        optimiser=OptimiserChoice(learning_rate=0.05, schedule="cosine"),
        method=MethodChoice(kind="demon-pruning", options={"peak": peak, "remove_every": None}),
    )
    data = load_experiment_data(experiment)
    model = train(experiment, seed=seed, data=data, device="cpu").model
    if model is None:
        raise TypeError("a training without a store returns its model")
    smaller = copy.deepcopy(model)
    removal = remove_dead_units(smaller, data.train.images)
    images, classes = data.train.images[:IMAGES_PER_STEP], data.train.classes[:IMAGES_PER_STEP]
    seconds, processor = _step_seconds([model, smaller], images, classes, repeats)
    return [
        {
            "experiment": f"{state}, {peak:g}",
            "state": state,
            "peak": peak,
            "seed": seed,
            "epoch": epochs,
            "units": sum(m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)),
            "multiply_adds": multiply_adds(network, data.train.images[:1]),
            "step_seconds": statistics.median(seconds[number]),
            "time_ratio": _median_ratio(seconds[number], seconds[0]),
            "processor_ratio": _median_ratio(processor[number], processor[0]),
            "deviation": removal.deviation if state == "after" else 0.0,
        }
        for number, (state, network) in enumerate({"before": model, "after": smaller}.items())
    ]


@torch.no_grad()
def multiply_adds(model: nn.Module, image: Tensor) -> int:
    """Count the multiplications of weights in one forward pass of an image, shape (1, channels, rows, columns).

    Examples
    --------
    >>> multiply_adds(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 5)), torch.zeros(1, 1, 4, 4))
    112
    """
    counts: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        positions = output.numel() // (output.shape[1] if isinstance(module, nn.Conv2d) else output.shape[-1])
        counts.append(weight.numel() * positions)  # type: ignore[operator]

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counts)


def _step_seconds(
    networks: Sequence[nn.Module], images: Tensor, classes: Tensor, repeats: int
) -> tuple[list[list[float]], list[list[float]]]:
    """Time forward and backward passes of the networks alternately, by clock and processor; the first is a warm-up."""
    seconds: list[list[float]] = [[] for _ in networks]
    processor: list[list[float]] = [[] for _ in networks]
    for _ in range(repeats + 1):
        for number, network in enumerate(networks):
            network.train()
            started, used = time.perf_counter(), time.process_time()
            F.cross_entropy(network(images), classes).backward()  # type: ignore[no-untyped-call]
            seconds[number].append(time.perf_counter() - started)
            processor[number].append(time.process_time() - used)
    return [each[1:] for each in seconds], [each[1:] for each in processor]


def _median_ratio(after: Sequence[float], before: Sequence[float]) -> float:
    """Return the median ratio of steps that were timed one after the other; a clock that stood still makes no ratio."""
    ratios = [a / b for a, b in zip(after, before, strict=True) if b > 0.0]
    return statistics.median(ratios) if ratios else float("nan")
