"""Forecast of a model before it is trained: will it learn, and which call would make it learn.

From one batch: the root rank of the features of the last hidden layer, and what the first step of Adam gains of what
its gradient promises; `neurondeath_theory.trainability.learning_verdict` turns them into a verdict. Each
remedy is applied to a copy of the model, which is forecast in the same way.

Limits: the thresholds were found on perceptrons for ten classes of digits and a budget of 420 steps. A harder task, a
larger budget or another optimiser moves them; the order of models is what carries over. Models with layer norm or gated
units are measured like any other, but no such model was among those.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real, invalid
from neurondeath_theory.trainability.feature_rank import root_rank
from neurondeath_theory.trainability.learning_verdict import LEARNS, learning_score, learning_verdict
from neurondeath_torch.auditing.first_step import FirstStep, first_steps
from neurondeath_torch.auditing.last_features import last_features
from neurondeath_torch.initialising.initialisation import he_
from neurondeath_torch.initialising.looks_linear import looks_linear_
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.initialising.sign_flipping import sign_flip_
from neurondeath_torch.networks.called_batches import CalledBatch
from neurondeath_torch.networks.data_passes import call as run_model
from neurondeath_torch.networks.data_passes import device_of, output_tensors
from neurondeath_torch.networks.input_data import InputData, Points, joined_inputs, n_points, on_device, split_points
from neurondeath_torch.networks.model_calls import Call, Outputs, called
from neurondeath_torch.networks.model_checks import check_model, original_model

__all__ = ["ModelForecast", "RemedyForecast", "forecast"]

NORMS = (nn.modules.batchnorm._BatchNorm,)  # these use the statistics of the batch in training
STEP_POINTS = 50  # of the batch of the first step
RATES = tuple(10.0 ** (exponent / 2.0) for exponent in range(-10, 0))  # tried for the largest usable one
USABLE = 0.5  # step gain of a usable learning rate
EQUAL = 1e-5  # spread of unit-length features that single precision cannot tell from none
KEYS = ("targets", "target", "labels", "label", "y")


@dataclass(frozen=True, kw_only=True)
class RemedyForecast:
    """The forecast of a model after a remedy.

    Attributes
    ----------
    name, call : str
        The remedy, and the call that applies it to `model`.
    verdict : str
        As in `ModelForecast`; "refused" where the call is not possible.
    score, root_rank, step_gain : float or None
        As in `ModelForecast`; None where it is refused.
    reason : str
        The reason of the verdict or of the refusal.
    """

    name: str
    call: str
    verdict: str
    score: float | None
    root_rank: float | None
    step_gain: float | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class ModelForecast(Result):
    """Forecast of a model.

    Attributes
    ----------
    verdict : str
        "learns", "slow", "collapsed" or "dead" within the reference budget of `learning_verdict`.
    reason : str
        Why, in a sentence.
    score : float
        `learning_score` of the next two.
    root_rank : float
        Directions that the features of the last hidden layer span (`neurondeath_theory.trainability.feature_rank`), 1
        where single precision cannot tell them apart; 0 without any.
    step_gain : float
        Decrease of the loss by the first step of Adam at `learning_rate`, as a share of what its gradient promises.
    learning_rate : float
        The rate that was asked for.
    usable_rate : float or None
        Largest of ten rates, half a decade apart from 1e-5 to 0.3, whose step gain is at least 0.5; None without one.
    spread : float
        Root mean square distance of the unit-length features from their mean, between 0 and 1.
    living_ratio : float
        Share of points with a feature that is not 0.
    log_size : float or None
        Mean over living points of the logarithm of their mean square feature.
    layer : str
        The layer that reads these features.
    n_points : int
        Points that were passed.
    remedies : tuple of RemedyForecast
        Remedies, best first; those that the model does not allow at the end.
    """

    verdict: str
    reason: str
    score: float
    root_rank: float
    step_gain: float
    learning_rate: float
    usable_rate: float | None
    spread: float
    living_ratio: float
    log_size: float | None
    layer: str
    n_points: int
    remedies: tuple[RemedyForecast, ...]

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table: the model as it is, then every remedy."""
        rows: list[Any] = [self, *self.remedies]
        names = ("verdict", "score", "root_rank", "step_gain", "reason")
        return {
            "remedy": ["as it is", *(remedy.name for remedy in self.remedies)],
            **{name: [getattr(row, name) for row in rows] for name in names},
            "call": ["", *(remedy.call for remedy in self.remedies)],
        }

    def __str__(self) -> str:
        better = [one for one in self.remedies if one.score is not None and one.score > max(self.score, LEARNS)]
        advice = f"; {better[0].call} would give {format_number(better[0].score, 3)}" if better else ""
        return f"{self.verdict}, score {format_number(self.score, 3)}: {self.reason}{advice}"


def forecast(
    model: nn.Module,
    data: InputData,
    classes: Tensor | None = None,
    *,
    learning_rate: float = 1e-3,
    max_points: int = 256,
    remedies: bool = True,
    seed: int = 0,
    call: Call | None = None,
    outputs: Outputs | None = None,
) -> ModelForecast:
    """Forecast whether a classifier will learn from its present weights, and what would help.

    Parameters
    ----------
    model : torch.nn.Module
        The model, unchanged: it is copied. It returns one row of logits per point.
    data : tensor or iterable of batches
        Inputs, as training passes them; batches (inputs, classes) or mappings with labels give the classes too.
    classes : tensor, shape (n_points,), optional
        Classes of the inputs; without any, random ones are drawn, which change the step gain little.
    learning_rate : float
        Learning rate of Adam.
    max_points : int
        Points taken from the data, at least 2.
    remedies : bool
        Whether to forecast remedies as well. All of them draw or change weights: they are for a model before training.
    seed : int
        Seed of random classes and of the weights that remedies draw.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`; the batch is passed as the data give
        it, on the model's device. By default a tensor, the first entry of a tuple, or a mapping by keyword without its
        labels.
    outputs : str, int or callable, optional
        Which part of what the model returns are its outputs: an entry's name or number, or a function. By default all,
        of which the first are the logits.

    Returns
    -------
    ModelForecast
        Verdict, reason, measurements and remedies.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, or the model cannot be copied, run on the data or return logits.

    Notes
    -----
    Norms over the batch use the batch, dropout is off. Source of the score and of its worth:
    `neurondeath_theory.trainability.learning_verdict`.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layers = [part for _ in range(30) for part in (nn.Linear(16, 16), nn.ReLU())]
    >>> model = nn.Sequential(*layers, nn.Linear(16, 10))
    >>> found = forecast(model, torch.randn(256, 16))
    >>> found.verdict, found.remedies[0].verdict
    ('collapsed', 'learns')
    """
    plain = check_model(original_model(model), compiled_parts=True)
    rate = check_real("learning_rate", learning_rate, low=0.0, low_open=True)
    most, seed = check_count("max_points", max_points, least=2), check_count("seed", seed, least=0)
    points, labels = _points(called(plain, data, call, outputs), classes, most)
    batch = _Batch(points, labels, seed)
    measured, usable = _measure(plain, batch, rate, search=True)
    tried = _remedies(plain, batch, rate, seed) if remedies else ()
    return ModelForecast(**measured, usable_rate=usable, learning_rate=rate, n_points=n_points(points), remedies=tried)


class _Batch:
    """The points of a forecast, on any device."""

    def __init__(self, points: Points, classes: Tensor | None, seed: int) -> None:
        self.points, self.classes, self.seed = points, classes, seed

    def step(self, model: nn.Module, rates: Sequence[float], n_classes: int) -> list[FirstStep]:
        """Try first steps on the first points."""
        device = device_of(model)
        points = on_device(split_points(self.points, STEP_POINTS)[0], device)
        if self.classes is not None:
            return first_steps(model, points, self.classes[:STEP_POINTS].to(device), rates)
        source = torch.Generator().manual_seed(self.seed)
        drawn = torch.randint(n_classes, (n_points(points),), generator=source, device="cpu")
        return first_steps(model, points, drawn.to(device), rates)


def _points(data: InputData, classes: Tensor | None, most: int) -> tuple[Points, Tensor | None]:
    if classes is None and not isinstance(data, Tensor):
        data, classes = _labelled(data, most)
    points = split_points(joined_inputs("data", data), most)[0]
    if n_points(points) < 2:
        raise invalid("data", "hold at least 2 points", n_points(points))
    if classes is None:
        return points, None
    if not isinstance(classes, Tensor) or classes.ndim != 1 or classes.is_floating_point() or classes.is_complex():
        raise invalid("classes", "be a tensor of whole numbers, one per point", getattr(classes, "shape", classes))
    if len(classes) < n_points(points):
        raise invalid("classes", f"hold one entry per point, {n_points(points)}", len(classes))
    kept = classes[: n_points(points)].long()
    if int(kept.min()) < 0:
        raise invalid("classes", "be at least 0", int(kept.min()))
    return points, kept


def _labelled(data: Any, most: int) -> tuple[list[Any], Tensor | None]:
    """Take batches until there are enough points, and their classes where every batch has some."""
    batches: list[Any] = []
    classes: list[Tensor] = []
    count = 0
    for batch in data if hasattr(data, "__iter__") and not isinstance(data, (str, bytes, Mapping)) else []:
        batches.append(batch)
        batch = batch.batch if isinstance(batch, CalledBatch) else batch
        given = None
        if isinstance(batch, Mapping):
            given = next((batch[key] for key in KEYS if isinstance(batch.get(key), Tensor)), None)
        elif isinstance(batch, (tuple, list)) and len(batch) > 1:
            given = batch[1]
        if isinstance(given, Tensor) and given.ndim == 1 and not given.is_floating_point():
            classes.append(given)
        first = batch[0] if isinstance(batch, (tuple, list)) and len(batch) else batch
        if isinstance(first, Mapping):
            first = next(iter(first.values()), first)
        count += len(first) if hasattr(first, "__len__") else 0
        if count >= most:
            break
    if not batches:
        return data, None  # the reader of the data says what is wrong
    return batches, torch.cat(classes) if len(classes) == len(batches) else None


def _copied(model: nn.Module) -> nn.Module:
    """Copy a model, in the mode of training without dropout."""
    try:
        trial = copy.deepcopy(model)
    except Exception as error:  # whatever a model's parts raise
        raise invalid("model", "be copyable by copy.deepcopy", type(model).__name__, reason=str(error)) from error
    trial.eval()
    for module in trial.modules():
        if isinstance(module, NORMS):
            module.train()
    return trial


def _measure(model: nn.Module, batch: _Batch, rate: float, *, search: bool) -> tuple[dict[str, Any], float | None]:
    trial = _copied(model)
    try:
        layer, features = last_features(trial, on_device(batch.points, device_of(trial)))
        n_classes = _n_outputs(trial, batch)
        rates = (rate, *RATES) if search else (rate,)
        first, *others = batch.step(trial, rates, n_classes)
    except NeuronDeathError:
        raise
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:  # the model's own forward pass
        raise invalid("model", "run on the data", type(error).__name__, reason=str(error)) from error
    array = features.numpy()
    finite = bool(torch.isfinite(features).all())
    living = float((features != 0).any(dim=1).double().mean()) if finite else 1.0
    lengths = features.norm(dim=1)
    unit = features[lengths > 0] / lengths[lengths > 0, None]
    spread = float((unit - unit.mean(dim=0)).square().sum(dim=1).mean().sqrt()) if finite and len(unit) else 0.0
    rank = root_rank(array) if finite and spread > EQUAL else float(living > 0.0)
    logs = features[lengths > 0].square().mean(dim=1).log()
    verdict = learning_verdict(rank, first.gain, living)
    reason = verdict.reason if finite else "its features overflow"
    measured = {
        "verdict": verdict.verdict,
        "reason": reason,
        "score": learning_score(rank, first.gain) if living > 0.0 else 0.0,
        "root_rank": rank,
        "step_gain": first.gain,
        "spread": spread,
        "living_ratio": living,
        "log_size": float(logs.mean()) if finite and len(logs) else None,
        "layer": layer,
    }
    usable = [step.learning_rate for step in others if step.gain >= USABLE]
    return measured, max(usable) if usable else None


def _n_outputs(model: nn.Module, batch: _Batch) -> int:
    with torch.no_grad():
        outputs = output_tensors(run_model(model, on_device(split_points(batch.points, 2)[0], device_of(model))))
    if not outputs or outputs[0].ndim != 2:
        shape = f"shape {tuple(outputs[0].shape)}" if outputs else "no tensor"
        remedy = "choose them by outputs=, e.g. outputs=lambda out: out.logits[:, -1]"
        raise invalid("model", "return one row of logits per point", shape, remedy)
    return int(outputs[0].shape[1])


def _remedies(model: nn.Module, batch: _Batch, rate: float, seed: int) -> tuple[RemedyForecast, ...]:
    tried = [_try(*one, model, batch, rate) for one in _calls(batch, seed)]
    return tuple(sorted(tried, key=lambda one: -math.inf if one.score is None else one.score, reverse=True))


def _calls(batch: _Batch, seed: int) -> list[tuple[str, str, Callable[[nn.Module], Any]]]:
    points = [batch.points]  # one batch, which may be a mapping

    def stream(depth: float) -> Callable[[nn.Module], Any]:
        return lambda trial: residual_(trial, depth, generator=seed, first_layer_data=points)

    return [
        (
            "looks-linear",
            "looks_linear_(model)",
            lambda trial: looks_linear_(trial, generator=seed, first_layer_data=points),
        ),
        ("critical residual, D = 1", "residual_(model, 1.0)", stream(1.0)),
        ("critical residual, D = 4", "residual_(model, 4.0)", stream(4.0)),
        ("he", "he_(model)", lambda trial: he_(trial, generator=seed)),
        (
            "layer flip",
            "sign_flip_(model, inputs, mode='layer')",
            lambda trial: sign_flip_(trial, points, mode="layer"),
        ),
    ]


def _try(
    name: str, wording: str, apply: Callable[[nn.Module], Any], model: nn.Module, batch: _Batch, rate: float
) -> RemedyForecast:
    trial = copy.deepcopy(model)
    try:
        apply(trial)
        measured, _ = _measure(trial, batch, rate, search=False)
    except NeuronDeathError as error:
        values: dict[str, Any] = {"score": None, "root_rank": None, "step_gain": None}
        return RemedyForecast(name=name, call=wording, verdict="refused", reason=str(error), **values)
    kept = {key: measured[key] for key in ("verdict", "reason", "score", "root_rank", "step_gain")}
    return RemedyForecast(name=name, call=wording, **kept)
