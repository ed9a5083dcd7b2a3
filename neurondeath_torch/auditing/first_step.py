"""What the first step of Adam does to a model's loss, compared with what its gradient promises."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.data_passes import call, keeping_random_state, output_tensors
from neurondeath_torch.networks.input_data import Points

__all__ = ["FirstStep", "first_steps"]

SEED = 0  # of the random state during the passes, the same before and after the step


class FirstStep(NamedTuple):
    """A first step at one learning rate."""

    learning_rate: float
    gain: float  # decrease of the loss as a share of its linear prediction
    change: float  # root mean square change of the outputs


def first_steps(model: nn.Module, points: Points, classes: Tensor, rates: Sequence[float]) -> list[FirstStep]:
    """Try the first step of Adam at several learning rates, and take it back.

    Parameters
    ----------
    model : torch.nn.Module
        The model, run in its present mode; its parameters are the same afterwards.
    points : tensor or mapping of tensors
        One batch of inputs.
    classes : tensor, shape (n_points,)
        Their classes, for the cross-entropy of the model's first output.
    rates : sequence of float
        Learning rates. Without momentum yet, the first step moves every weight by the rate against its gradient's sign.

    Returns
    -------
    list of FirstStep
        One for every rate; the gain is 0 where there is no gradient or the loss is not finite.

    Raises
    ------
    InvalidArgumentError
        If the model does not give one row of logits per point, or has fewer of them than there are classes.

    Examples
    --------
    >>> x, y = torch.randn(50, 8), torch.arange(50) % 2
    >>> [step] = first_steps(nn.Linear(8, 2), x, y, [1e-3])
    >>> 0.9 < step.gain < 1.1
    True
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def run() -> tuple[Tensor, Tensor]:
        with keeping_random_state(model):
            torch.manual_seed(SEED)
            logits = _logits(model, points, classes)
        return logits, F.cross_entropy(logits.float(), classes)

    logits, loss = run()
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    moved = [(p, p.detach().clone(), g.sign()) for p, g in zip(parameters, gradients, strict=True) if g is not None]
    promise = sum(float(g.double().abs().sum()) for g in gradients if g is not None)
    steps = []
    for rate in rates:
        with torch.no_grad():
            for parameter, start, sign in moved:
                parameter.copy_(start - rate * sign)
            after, new_loss = run()
            for parameter, start, _ in moved:
                parameter.copy_(start)
        decrease = float(loss.detach().double() - new_loss.double())
        change = (after - logits.detach()).double().square().mean().sqrt()
        gain = decrease / (rate * promise) if promise > 0.0 and rate > 0.0 else 0.0
        steps.append(FirstStep(rate, gain if math.isfinite(gain) else 0.0, float(change)))
    return steps


def _logits(model: nn.Module, points: Points, classes: Tensor) -> Tensor:
    outputs = output_tensors(call(model, points))
    if not outputs or outputs[0].ndim != 2 or len(outputs[0]) != len(classes):
        shape = f"shape {tuple(outputs[0].shape)}" if outputs else "no tensor"
        raise invalid("model", "return one row of logits per point", shape)
    if int(classes.max()) >= outputs[0].shape[1]:
        raise invalid("model", f"have a logit for class {int(classes.max())}", f"{outputs[0].shape[1]} logits")
    return outputs[0]
