r"""Measurements of an audit during the forward passes, and predictions of the theory from the weights in use.

Model: entries of a layer's weights are independent of variance v and mean 0, biases of variance $\sigma_b^2$; v and
$\sigma_b^2$ are the mean squares of the layer's own weights and biases, $\sigma_w^2$ = fan-in times v. Given inputs
x_i, the pre-activations of points i and j then have covariance $K_{ij} = v\,x_i \cdot x_j + \sigma_b^2$ (convolutions:
inner products of patches, averaged over positions), and one unit is inactive at i with probability s(K_ii).

- From the data, or from the measured inputs of a layer, K is exact for random weights of any distribution, and the
  pre-activations are Gaussian in wide layers.
- Where the only input of a fully connected layer is one activation of a predicted layer, K follows without measurement:
  $K = \sigma_w^2 E\phi(u_i)\phi(u_j) + \sigma_b^2$, the covariance map of infinitely wide layers.

A point is alive at an activation when some unit is active there and the point is alive at one of the activations that
the layer reads, or the layer reads the model's input: a residual stream keeps points alive.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.gaussian_limit.correlation import activation_products
from neurondeath_theory.gaussian_limit.variance import activation_sparsity
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_torch.networks.activation_calls import Activation
from neurondeath_torch.networks.forward_tracing import LayerCall, Listener
from neurondeath_torch.networks.tensor_flow import INPUT, Flow, split_units

__all__ = ["AuditRecorder", "LayerScale", "Prediction", "SiteRecord"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LayerScale:
    """Scale of a layer's weights: v, fan-in times v, bias variance, and the mean weight in standard errors."""

    variance: float
    sigma_w2: float
    sigma_b2: float
    off_centre: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Predictions for an activation on the probe; `basis` states where the layer's inputs come from."""

    basis: str
    q: float
    correlation: float | None
    sparsity: float
    death: float | None


@dataclass(kw_only=True)
class SiteRecord:
    """Measurements at one activation."""

    n_points: int = 0
    n_alive: int = 0
    square_sum: float = 0.0
    n_numbers: int = 0
    correlation: float | None = None
    scale: LayerScale | None = None
    prediction: Prediction | None = None
    reason: str = ""
    form: PiecewiseLinear | None = None
    spatial: int = 0
    origins: frozenset[str] = frozenset()
    regrouped: bool = False


@dataclass(kw_only=True)
class _Inputs:
    """The probe at the input of a layer: inner products and energies of the points, per patch."""

    call: LayerCall
    scale: LayerScale
    products: Array  # (n, n), inner products of patches, averaged over positions
    energies: Array  # (n, positions)
    covariance: Array | None = None  # predicted from the previous layer
    basis: str = ""


@dataclass
class AuditRecorder(Listener):
    """Listener of an audit.

    Parameters
    ----------
    n_probe : int
        Points of the first batch on which predictions and correlations are computed.
    threshold : float
        Absolute value above which an activation counts as active.
    """

    n_probe: int
    threshold: float = 0.0
    sites: dict[str, SiteRecord] = field(default_factory=dict)
    n_passes: int = 0
    _alive: dict[str, torch.Tensor] = field(default_factory=dict)
    _inputs: dict[str, _Inputs] = field(default_factory=dict)
    _products: dict[str, tuple[int, Array]] = field(default_factory=dict)  # activation -> units, predicted E phi phi
    _pass: dict[str, SiteRecord] = field(default_factory=dict)

    def started(self) -> None:
        """Discard the data of an earlier pass that did not finish."""
        self._alive.clear()
        self._inputs.clear()
        self._products.clear()
        self._pass.clear()

    def layer_called(self, call: LayerCall) -> None:
        """Compute, in the first pass, the statistics of the layer's inputs."""
        if self.n_passes or call.x.ndim < 2 + call.spatial or len(call.x) < 1 or call.weight.numel() == 0:
            return
        device_type = call.x.device.type
        exact = torch.float32 if device_type == "mps" else torch.float64
        with torch.autocast(device_type, enabled=False):
            x = call.x[: self.n_probe].to(exact)
            thin_shape = list(call.weight.shape)
            thin_shape[1 if call.transposed else 0] = 1 if call.transposed else call.groups
            thin = torch.ones(thin_shape, dtype=exact, device=x.device)  # one unit per group, which sums its patch
            energies = call.rerun(x.square(), thin).flatten(1)
            times, n_sums = _times_read(call, x, thin)
            products = (x * times).flatten(1) @ x.flatten(1).T / n_sums
        if not bool(torch.isfinite(energies).all()):
            rule = f"give {call.name} finite inputs"
            raise invalid("model", rule, "NaN or infinity", "check the data and the layers before it")
        inputs = _Inputs(
            call=call,
            scale=_scale(call),
            products=products.double().cpu().numpy(),
            energies=energies.double().cpu().numpy(),
        )
        inputs.basis, inputs.covariance = self._carried(inputs)
        self._inputs[call.name] = inputs

    def about_to_activate(self, site: str, z: torch.Tensor, flow: Flow | None, activation: Activation) -> None:
        """Measure the pre-activations and, in the first pass, predict them if the theory applies."""
        record = SiteRecord(n_points=len(z) if z.ndim else 0, form=activation.form)
        self._pass[site] = record
        if flow is not None:
            record.origins, record.spatial = flow.origins, flow.spatial
        values = z.detach().double() if z.device.type != "mps" else z.detach().float()
        record.square_sum, record.n_numbers = float(values.square().sum()), values.numel()
        if self.n_passes or z.ndim < 2:
            return
        record.correlation = _mean_cosine(values[: self.n_probe].flatten(1))
        record.reason = _obstacle(flow, activation, self._inputs)
        if flow is not None and flow.layer in self._inputs:
            record.scale = self._inputs[flow.layer].scale
        if not record.reason and flow is not None and flow.layer is not None and activation.form is not None:
            self._predict(site, record, self._inputs[flow.layer], activation.form, _n_units(z, flow))

    def activated(self, site: str, h: torch.Tensor, flow: Flow | None) -> None:
        """Record which points have an active unit, and which of them are alive."""
        record = self._pass[site]
        units = split_units(h, flow)
        active = (units.abs() > self.threshold).flatten(1).any(1)
        alive = active
        origins = frozenset({INPUT}) if flow is None else flow.origins
        if INPUT not in origins:
            # a model may lie on several devices
            before = [self._alive[origin].to(active.device) for origin in origins if origin in self._alive]
            if any(len(flags) != len(active) for flags in before):
                record.regrouped = True
            else:
                alive = active & torch.stack(before).any(0)
        self._alive[site] = alive
        record.n_points = len(active)
        record.n_alive = int(alive.sum())

    def finished(self) -> None:
        """Add the measurements of the pass to the earlier ones."""
        for site, record in self._pass.items():
            known = self.sites.get(site)
            if known is None:
                self.sites[site] = record
                if self.n_passes:
                    record.reason = "it was not reached by the first batch"
                continue
            for name in ("n_points", "n_alive", "square_sum", "n_numbers"):
                setattr(known, name, getattr(known, name) + getattr(record, name))
            known.regrouped |= record.regrouped
        self.n_passes += 1
        self.started()

    def _carried(self, inputs: _Inputs) -> tuple[str, Array | None]:
        """Determine where a layer's inputs come from, and predict its output covariance from the previous layer."""
        flow, scale = inputs.call.flow, inputs.scale
        if flow is not None and not flow.steps and flow.origins == {INPUT}:
            return "data", None
        plain = flow is not None and not flow.steps and len(flow.origins) == 1 and inputs.call.spatial == 0
        origin = next(iter(flow.origins)) if plain and flow is not None else ""
        width, products = self._products.get(origin, (0, inputs.products))
        if tuple(inputs.call.x.shape[1:]) == (width,) and products.shape == inputs.products.shape:
            return "previous layer", scale.sigma_w2 * products + scale.sigma_b2
        return "measured inputs", None

    def _predict(self, site: str, record: SiteRecord, inputs: _Inputs, form: PiecewiseLinear, n_units: int) -> None:
        scale = inputs.scale
        measured = scale.variance * inputs.energies + scale.sigma_b2
        covariance = inputs.covariance
        if covariance is None:
            covariance = scale.variance * inputs.products + scale.sigma_b2
            q, sparsity = float(measured.mean()), float(_sparsity(form, measured).mean())
        else:
            q, sparsity = float(np.diag(covariance).mean()), float(_sparsity(form, np.diag(covariance)).mean())
        if inputs.call.spatial == 0 and inputs.call.x.ndim == 2 and math.isfinite(q):
            self._products[site] = n_units, activation_products(form, covariance)
        before = [self._alive[origin].cpu() for origin in record.origins if origin in self._alive]
        living = np.ones(len(measured), dtype=bool)
        if before and INPUT not in record.origins:
            flags = torch.stack(before).any(0)[: len(living)].numpy()
            living = flags if flags.shape == living.shape else living
        # P(a channel is off at all positions) is at most P(off) at the position where that is least
        off = _sparsity(form, measured).min(axis=1)[living]
        if not off.size and inputs.covariance is not None:  # no measured point is alive: use predicted variances
            off = _sparsity(form, np.diag(covariance))
        record.prediction = Prediction(
            basis=inputs.basis,
            q=q,
            correlation=_mean_correlation(covariance),
            sparsity=sparsity,
            death=float(np.mean(off**n_units)) if off.size else None,
        )


def _scale(call: LayerCall) -> LayerScale:
    weight = call.weight.detach().double() if call.x.device.type != "mps" else call.weight.detach().float()
    variance, count = float(weight.square().mean()), weight.numel()
    units_axis = 1 if call.transposed else 0
    fan_in = count // max(weight.shape[units_axis] * (call.groups if call.transposed else 1), 1)
    bias = 0.0 if call.bias is None else float(call.bias.detach().float().square().mean())
    spread = float(weight.std(correction=0))
    mean = abs(float(weight.mean()))
    return LayerScale(
        variance=variance,
        sigma_w2=fan_in * variance,
        sigma_b2=bias,
        off_centre=mean * math.sqrt(count) / spread if spread > 0.0 else (math.inf if mean else 0.0),
    )


def _times_read(call: LayerCall, x: torch.Tensor, thin: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Count how often one unit reads each input, over all positions, and the number of sums it computes."""
    if call.spatial == 0:  # a linear layer reads each input once
        return x.new_ones(()), max(x[:1].numel() // max(x.shape[-1], 1), 1)
    with torch.inference_mode(False), torch.enable_grad():
        one = torch.ones(1, *x.shape[1:], dtype=x.dtype, device=x.device, requires_grad=True)
        sums = call.rerun(one, thin.clone())
        (times,) = torch.autograd.grad(sums.sum(), one)
    return times, sums.numel()


def _obstacle(flow: Flow | None, activation: Activation, inputs: dict[str, _Inputs]) -> str:
    """Explain why the theory makes no prediction; empty if it does."""
    if flow is None or flow.layer is None:
        return "no single weight layer feeds it" + (f" ({', '.join(flow.steps)})" if flow and flow.steps else "")
    if flow.steps:
        return f"{', '.join(flow.steps)} between {flow.layer} and it"
    if activation.form is None:
        return f"{activation.name} is not piecewise linear and continuous, or not known to be"
    return "" if flow.layer in inputs else "the inputs of its layer have no batch axis or no entries"


def _n_units(z: torch.Tensor, flow: Flow) -> int:
    return split_units(z, flow).shape[2]


def _sparsity(form: PiecewiseLinear, q: Array) -> Array:
    """Compute P(phi = 0) at variances that may be 0."""
    at_zero = 1.0 if float(form(0.0)) == 0.0 else 0.0
    positive = q > 0.0
    return np.where(positive, activation_sparsity(form, np.where(positive, q, 1.0)), at_zero)


def _mean_correlation(covariance: Array) -> float | None:
    """Average over pairs of points with variance above 0; None without such a pair."""
    variance = np.diag(covariance)
    kept = covariance[np.ix_(variance > 0.0, variance > 0.0)]
    if len(kept) < 2:
        return None
    roots = np.sqrt(np.diag(kept))
    rho = kept / roots[:, None] / roots
    return float((rho.sum() - len(rho)) / (len(rho) * (len(rho) - 1)))


def _mean_cosine(rows: torch.Tensor) -> float | None:
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    units = (rows / torch.where(norms > 0, norms, 1.0))[norms[:, 0] > 0]
    n = len(units)
    if n < 2:
        return None
    return float((units.sum(0).square().sum() - n) / (n * (n - 1)))
