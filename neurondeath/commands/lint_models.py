"""`neurondeath lint MODEL`: a model is built again and again, and judged on points."""

import torch

from neurondeath.commands.lint_networks import drawn_verdict
from neurondeath.commands.lint_verdict import LintVerdict
from neurondeath.commands.model_files import load_data, load_model, named_as_arguments, read_shape
from neurondeath.commands.work_progress import with_progress
from neurondeath_theory.trainability.learning_verdict import VERDICTS
from neurondeath_torch.auditing.forecast import forecast

__all__ = ["lint_model"]

POINTS = 256


def lint_model(
    spec: str, inputs: str, input_shape: str | None, count: int, seed: int, allowed: tuple[float, float]
) -> LintVerdict:
    """Build a model `count` times, each time from a seed of its own, and judge every one on points.

    Parameters
    ----------
    spec : str
        module:function or file.py:function.
    inputs, input_shape : str, str or None
        The points, and the shape of one of them.
    count, seed : int
        Models to build; the first has this seed.
    allowed : tuple of float
        Largest allowed shares of dead and of collapsed models.
    """
    shape = read_shape(input_shape)
    verdicts, scores, first = [], [], ""
    for number in with_progress(range(count), "models"):
        torch.manual_seed(seed + number)
        model = load_model(spec)
        batches = load_data(model, inputs, shape, POINTS, seed)
        with named_as_arguments(batches, input_shape):
            found = forecast(model, batches, max_points=POINTS, remedies=False, seed=seed)
        first = first or f"the first model: {found}"
        verdicts.append(found.verdict)
        scores.append(found.score)
    shares = {name: verdicts.count(name) / count for name in VERDICTS}
    reasons = [first]
    if len(set(scores)) == 1:
        reasons.append("all models are the same: a function that draws its weights is judged better than one model")
    return drawn_verdict(f"{spec} on {inputs}", shares, count, allowed, reasons)
