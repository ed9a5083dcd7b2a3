"""Audit a network in one call: measurements per layer next to the predictions of the theory, and remedies.

The data are passed through the model; for each activation the audit reports dead units, sparsity, the mean square q of
the pre-activations, their mean correlation between points, and the share of points that are still alive. Next to each
measurement it reports the prediction for random weights with the scale of the layer's own weights (`recorder`). Where
the theory does not apply - a normalisation, a sum of branches or attention between the weights and the activation, or
an activation that is not piecewise linear - the audit gives the reason instead of a prediction.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from neurondeath_theory.foundation.notebook_tables import notebook_table
from neurondeath_theory.foundation.progress import PatientProgress
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_count, check_real, invalid
from neurondeath_torch.auditing.audited_layers import AuditedLayer
from neurondeath_torch.auditing.recorder import AuditRecorder, SiteRecord
from neurondeath_torch.auditing.verdict import judge
from neurondeath_torch.networks.data_passes import call as run_model
from neurondeath_torch.networks.data_passes import device_of, evaluating, keeping_random_state
from neurondeath_torch.networks.forward_tracing import Listener
from neurondeath_torch.networks.input_data import input_batches, on_device
from neurondeath_torch.networks.model_calls import Call, Outputs, called
from neurondeath_torch.networks.model_checks import original_model
from neurondeath_torch.networks.name_patterns import check_patterns
from neurondeath_torch.networks.residual_stream import stream_layer
from neurondeath_torch.networks.tensor_flow import INPUT
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport, UnitActivity, scalar_name
from neurondeath_torch.watching.monitor import DeadUnitMonitor

__all__ = ["COLUMNS", "Audit", "audit"]

COLUMNS = tuple(name for name in AuditedLayer.__dataclass_fields__ if name not in ("form", "bounds_only"))
POINTS_PER_PASS = 256  # where the data are a single tensor
MODES = ("eval", "train")
# what an audit does not say of a model with critical residual streams
NOT_IN_A_STREAM: dict[str, Any] = {
    **dict.fromkeys(("predicted_sparsity", "predicted_q", "predicted_correlation", "living_ratio")),
    **dict.fromkeys(("expected_living_ratio", "death_probability")),
    "basis": "",
    "reason": "a residual stream carries the points past its layers",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit(Result):
    """Result of an audit: layers in the order of execution, a verdict, and calls that help.

    Attributes
    ----------
    layers : tuple of AuditedLayer
        Measurements and predictions.
    n_points, n_batches, n_probe : int
        Points and batches passed through the model, and points of the first batch that predictions and correlations are
        computed on.
    mode : str
        "eval" or "train".
    verdict : tuple of str
        Sentences, most urgent first.
    remedies : tuple of str
        Calls that address the verdict.
    report : DeadUnitReport
        Dead units by every definition.
    """

    priority: ClassVar[tuple[str, ...]] = (
        *("activation", "units", "dead", "living_ratio", "expected_living_ratio", "sparsity", "predicted_sparsity"),
        *("q", "predicted_q", "correlation", "predicted_correlation"),
    )

    layers: tuple[AuditedLayer, ...]
    n_points: int
    n_batches: int
    n_probe: int
    mode: str
    verdict: tuple[str, ...]
    remedies: tuple[str, ...]
    report: DeadUnitReport

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per activation."""
        return {name: [getattr(layer, name) for layer in self.layers] for name in COLUMNS}

    def scalars(self, prefix: str = "neurondeath") -> dict[str, float]:
        """Return numbers by name, as logs of training take them: those of the report, and what the audit measures.

        Parameters
        ----------
        prefix : str
            What the names begin with.

        Returns
        -------
        dict of str to float
            Also `q`, `correlation` and `living_ratio` of each activation, where they are known.
        """
        found = self.report.scalars(prefix)
        for layer in self.layers:
            for name in ("q", "correlation", "living_ratio"):
                value = getattr(layer, name)
                if value is not None:
                    found[f"{prefix}/{scalar_name(layer.activation, layer.kind)}/{name}"] = float(value)
        return found

    def __str__(self) -> str:
        calls = [remedy.partition("  #")[0] for remedy in self.remedies]
        return " ".join([*self.verdict, *([f"Remedies: {'; '.join(calls)}."] if calls else [])])

    def _repr_html_(self) -> str:
        return notebook_table(" ".join(self.verdict), self.columns(), self.priority, self.remedies)


def audit(
    model: nn.Module,
    data: Any,
    *,
    max_batches: int | None = None,
    n_probe: int = 64,
    mode: str = "eval",
    threshold: float = 0.0,
    watch: Sequence[str | type[nn.Module]] = (),
    call: Call | None = None,
    outputs: Outputs | None = None,
    layers: str | Iterable[str] | None = None,
) -> Audit:
    """Pass data through a model and report which units are alive, what the theory predicts, and remedies.

    Parameters
    ----------
    model : nn.Module
        The model; unchanged afterwards.
    data : Tensor, or iterable of batches
        Inputs, one point per row; or a loader whose batches are tensors, (inputs, targets), or mappings that are passed
        to the model by keyword, without the labels.
    max_batches : int, optional
        Maximum number of batches, at least 1.
    n_probe : int
        Points of the first batch that predictions and correlations are computed on, at least 2.
    mode : {"eval", "train"}
        Mode the model runs in: "eval", where batch norms use their running statistics, or "train", where they use those
        of the batch. Neither changes the model: buffers and the random state are restored.
    threshold : float
        Absolute value above which an activation counts as active.
    watch : sequence of str or type
        Further modules whose outputs are activations, as in `DeadUnitMonitor`.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`; the batch is passed as the data give
        it, on the model's device. By default a tensor, the first entry of a tuple, or a mapping by keyword without its
        labels.
    outputs : str, int or callable, optional
        Which part of what the model returns are its outputs: an entry's name or number, or a function. By default all.
    layers : str or iterable of str, optional
        Only report these activations: names of activations or of the weight layers that feed them, or patterns such as
        "encoder.*". All data pass the whole model; the verdict is on these activations.

    Returns
    -------
    Audit
        Layers, verdict, remedies.

    Raises
    ------
    InvalidArgumentError
        If the model cannot be watched, there are no data, or numbers are not finite.
    NeuronDeathError
        If the model calls no activation that can be zero.

    Notes
    -----
    Predictions hold for independent centred weights with the scale of the layer's own weights: at initialisation they
    are the expected values, after training they show how far the weights have moved. Sources: price2024 (arXiv
    2402.16184) for the maps, rister2020 (arXiv 2007.06192) for the survival of points.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> _ = model.load_state_dict({
    ...     "0.weight": torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), "0.bias": torch.zeros(3),
    ...     "2.weight": torch.ones(1, 3), "2.bias": torch.zeros(1)})
    >>> result = audit(model, torch.ones(500, 2))
    >>> print(result.verdict[0])
    1 of 3 units are dead in living layers (1 of 3 in `1` (relu)): they are never active and learn nothing; each \
fires on less than 1.83 % of all inputs (95 % confidence).
    """
    limit = None if max_batches is None else check_count("max_batches", max_batches)
    check_choice("mode", mode, MODES)
    level = check_real("threshold", threshold, low=0.0)
    model = original_model(model)
    recorder = AuditRecorder(check_count("n_probe", n_probe, least=2), level)
    monitor = _AuditMonitor(model, recorder, threshold=threshold, watch=watch, outputs=outputs)
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter.detach()).all()):
            raise invalid("model", "have finite parameters", name, "restore weights from before they diverged")
    if isinstance(data, torch.Tensor) and data.ndim > 1:
        data = torch.split(data, POINTS_PER_PASS)
    data = called(model, data, call)
    patterns, device = check_patterns("layers", layers), device_of(model)
    progress, passes = PatientProgress("audit", _number_of_batches(data, limit), step="batch"), 0
    with monitor, closing(progress), _unchanged(model, mode), torch.no_grad():
        for inputs in input_batches(data, once=True):
            if limit is not None and passes == limit:
                break
            run_model(model, on_device(inputs, device))
            passes += 1
            progress.step()
    report = monitor.report()
    rows = _layers(report, recorder)
    if stream_layer(model) is not None:
        rows = tuple(replace(layer, **NOT_IN_A_STREAM) for layer in rows)
    report = report.of_layers(patterns)
    kept = {activity.name for activity in report.activities}
    rows = tuple(row for row in rows if row.activation in kept)
    n_points = max(record.n_points for record in recorder.sites.values())
    biased = any(layer.sigma_b2 for layer in rows)
    verdict, remedies = judge(rows, report, n_points, biased)
    return Audit(
        layers=rows,
        n_points=n_points,
        n_batches=passes,
        n_probe=recorder.n_probe,
        mode=mode,
        verdict=verdict,
        remedies=remedies,
        report=report,
    )


def _number_of_batches(data: Any, limit: int | None) -> int:
    """Count the batches that will be read, 0 if the data do not know their length."""
    try:
        known = len(data)
    except TypeError:
        known = 0
    return min(known, limit) if known and limit is not None else known or limit or 0


class _AuditMonitor(DeadUnitMonitor):
    """A monitor that also passes its observations to the audit's recorder."""

    def __init__(self, model: nn.Module, recorder: AuditRecorder, **options: Any) -> None:
        super().__init__(model, **options)
        self._recorder = recorder

    def _listeners(self) -> Sequence[Listener]:
        return (self._recorder,)


def _layers(report: DeadUnitReport, recorder: AuditRecorder) -> tuple[AuditedLayer, ...]:
    expected: dict[str, float | None] = {INPUT: 1.0}
    layers = []
    for activity in report.activities:
        record = recorder.sites[activity.name]
        death = None if record.prediction is None else record.prediction.death
        before = expected.get(next(iter(record.origins))) if len(record.origins) == 1 else None
        expected[activity.name] = None if death is None or before is None else before * (1.0 - death)
        layers.append(_layer(activity, record, expected[activity.name]))
    return tuple(layers)


def _layer(activity: UnitActivity, record: SiteRecord, expected: float | None) -> AuditedLayer:
    prediction, scale = record.prediction, record.scale
    return AuditedLayer(
        activation=activity.name,
        layer=activity.layer,
        units=activity.n_units,
        dead=int(activity.dead.sum()),
        sparsity=activity.sparsity,
        predicted_sparsity=None if prediction is None else prediction.sparsity,
        q=record.square_sum / record.n_numbers,
        predicted_q=None if prediction is None else prediction.q,
        correlation=record.correlation,
        predicted_correlation=None if prediction is None else prediction.correlation,
        living_ratio=None if record.regrouped else record.n_alive / record.n_points,
        expected_living_ratio=expected,
        death_probability=None if prediction is None else prediction.death,
        sigma_w2=None if scale is None else scale.sigma_w2,
        sigma_b2=None if scale is None else scale.sigma_b2,
        off_centre=None if scale is None else scale.off_centre,
        basis="" if prediction is None else prediction.basis,
        bounds_only=activity.n_positions > activity.n_samples,
        form=record.form,
        reason=record.reason,
        kind=activity.kind,
    )


@contextmanager
def _unchanged(model: nn.Module, mode: str) -> Iterator[None]:
    """Set the mode, and restore modes, buffers and random states on exit."""
    with evaluating(model):
        if mode == "eval":
            yield
            return
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        model.train()
        try:
            with keeping_random_state(model):
                yield
        finally:
            with torch.no_grad():
                for name, buffer in model.named_buffers():
                    if name in buffers:
                        buffer.copy_(buffers[name])
