"""Optimisers and learning-rate schedules by name; schedules are updated every step.

Adam's steps are PyTorch's fused ones: one pass over the parameters in place of a dozen, which is a tenth of a step of a
deep network.
"""

from collections.abc import Iterable
from typing import Any

from torch import nn, optim
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, MultiStepLR, OneCycleLR

from neurondeath_torch.training.configuration import OptimiserChoice

__all__ = ["make_optimiser", "make_schedule"]

ONE_CYCLE_RISE = 0.3  # share of the run during which the rate rises


def make_optimiser(choice: OptimiserChoice, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Build the optimiser of a choice; `momentum` is the momentum of SGD or the first beta of Adam."""
    common: dict[str, Any] = {"lr": choice.learning_rate, "weight_decay": choice.weight_decay}
    if choice.kind == "sgd":
        return optim.SGD(parameters, momentum=choice.momentum, **common)
    kind = optim.Adam if choice.kind == "adam" else optim.AdamW
    return kind(parameters, betas=(choice.momentum, 0.999), fused=True, **common)


def make_schedule(choice: OptimiserChoice, optimiser: optim.Optimizer, n_steps: int) -> LRScheduler:
    """Build the learning-rate schedule of a choice over a number of steps."""
    if choice.schedule == "cosine":
        return CosineAnnealingLR(optimiser, T_max=n_steps)
    if choice.schedule == "one-cycle":
        return OneCycleLR(
            optimiser,
            max_lr=choice.learning_rate,
            total_steps=max(n_steps, 2),
            pct_start=ONE_CYCLE_RISE,
            cycle_momentum=False,
        )
    if choice.schedule == "step":
        return MultiStepLR(optimiser, milestones=[n_steps // 2, n_steps * 3 // 4])
    return LambdaLR(optimiser, lambda step: 1.0)
