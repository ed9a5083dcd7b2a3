"""Plain NumPy twins of every architecture, initialisation and sign flip: same random numbers, no optimisation."""

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from neurondeath.simulations.counter_random import (
    PURPOSE_ASYMMETRY,
    PURPOSE_BIASES,
    PURPOSE_READOUT,
    PURPOSE_WEIGHTS,
    PURPOSE_ZEROS,
    stream_normals,
    stream_words,
)
from neurondeath.simulations.outputs import LOG_GRADIENT_SUMS, LOG_VARIANCE_SUMS, OUTPUTS
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.rai import rai_constant
from neurondeath_theory.trainability.feature_rank import entropy_rank


def draw(network: Network, key, layer, trial):
    """Return weights and biases of one layer of one network."""
    width, fan_in = network.widths[layer], network.fan_ins[layer]
    scale = np.sqrt(network.weight_variance / fan_in)
    at = {"layer": layer, "trial": trial}
    biases = np.zeros(width)
    if network.law is not None:
        bits = np.random.Philox(key=key[0] + key[1] * 2**32, counter=[0, 0, layer, trial])
        return network.law.draw(np.random.Generator(bits), fan_in, width)
    if network.init in ("looks-linear", "looks-linear-gaussian"):
        return draw_mirrored(network, key, at), biases
    if network.bias_law == "weights":
        biases = independent_entries(network, key, width, scale, PURPOSE_BIASES, at)
        weights = independent_entries(network, key, width * fan_in, scale, PURPOSE_WEIGHTS, at)
        return weights.reshape(width, fan_in), biases
    if network.bias_variance > 0:
        biases = stream_normals(key, width, purpose=PURPOSE_BIASES, **at) * np.sqrt(network.bias_variance)
    if network.init in ("uniform", "truncated-normal", "laplace", "student-t", "sparse"):
        weights = independent_entries(network, key, width * fan_in, scale, PURPOSE_WEIGHTS, at)
        return weights.reshape(width, fan_in), biases
    if network.init == "rai":
        rows = stream_normals(key, width * (fan_in + 1), purpose=PURPOSE_WEIGHTS, **at).reshape(width, fan_in + 1)
        rows *= rai_constant() / np.sqrt(fan_in)
        words = stream_words(key, 4 * width, purpose=PURPOSE_ASYMMETRY, **at).reshape(width, 4).astype(float)
        entries = np.floor(words[:, 0] / 2**32 * (fan_in + 1)).astype(int)
        rows[np.arange(width), entries] = np.sqrt((words[:, 1] + 0.5) / 2**32)
        return rows[:, :-1], rows[:, -1]
    normals = stream_normals(key, width * fan_in, purpose=PURPOSE_WEIGHTS, **at).reshape(width, fan_in)
    if network.init == "orthogonal":
        tall = normals if width > fan_in else normals.T
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diag(r))
        normals = (q if width > fan_in else q.T) * np.sqrt(max(width, fan_in))
    return normals * scale, biases


def independent_entries(network: Network, key, count, scale, purpose, at):
    """Return independent entries of the law of a network's weights, of standard deviation `scale`."""
    if network.init in ("uniform", "torch-default"):
        signed = stream_words(key, count, purpose=purpose, **at).view(np.int32).astype(float)
        return (signed + 0.5) / 2**31 * np.sqrt(3) * scale
    if network.init == "laplace":
        signed = (stream_words(key, count, purpose=purpose, **at).view(np.int32).astype(float) + 0.5) / 2**31
        return -np.sign(signed) * np.log(np.abs(signed)) * scale / np.sqrt(2)
    if network.init == "student-t":
        nu = network.degrees_of_freedom
        words = (stream_words(key, 2 * count, purpose=purpose, **at).reshape(count, 2).astype(float) + 0.5) / 2**32
        t = np.sqrt(nu * (words[:, 0] ** (-2 / nu) - 1)) * np.cos(2 * np.pi * words[:, 1])
        return t / np.sqrt(nu / (nu - 2)) * scale
    normals = stream_normals(key, count, purpose=purpose, **at)
    if network.init == "truncated-normal":
        variant = 0
        while (outside := np.abs(normals) > 2).any():
            variant += 1
            normals = np.where(outside, stream_normals(key, count, purpose=purpose, variant=variant, **at), normals)
        return normals / stats.truncnorm.std(-2, 2) * scale
    if network.init == "sparse":
        words = stream_words(key, count, purpose=purpose + PURPOSE_ZEROS, **at).astype(float) + 0.5
        kept = words / 2**32 >= network.zero_share
        return normals * kept / np.sqrt(1 - network.zero_share) * scale
    return normals * scale


def draw_mirrored(network: Network, key, at):
    """Return [A; -A] or, after the first layer, [[A, -A], [-A, A]], A over the gain of a pair of units."""
    layer = at["layer"]
    rows, sources = network.widths[layer] // 2, network.fan_ins[layer] // (2 if layer else 1)
    half = stream_normals(key, rows * sources, purpose=PURPOSE_WEIGHTS, **at).reshape(rows, sources)
    if network.init == "looks-linear":
        q, r = np.linalg.qr(half if rows > sources else half.T)
        q = q * np.sign(np.diag(r))
        half = q if rows > sources else q.T
    else:
        half = half / np.sqrt(sources)
    if layer == 0:
        return np.vstack([half, -half])
    half = half / (network.activation(1e3) - network.activation(-1e3)) * 1e3
    return np.block([[half, -half], [-half, half]])


def flip_signs(z, alive, mode):
    """Apply the sign flips of one layer; z has shape (units, points)."""
    if mode == "layer":
        stays = alive & (z > 0).any(axis=0)
        return -z if stays.sum() < alive.sum() / 2 else z
    uncovered = {p for p in range(len(alive)) if alive[p]}
    flipped = z.copy()
    for i in range(len(z)):
        if not uncovered:
            break
        if sum(z[i, p] > 0 for p in uncovered) < len(uncovered) / 2:
            flipped[i] = -z[i]
        uncovered = {p for p in uncovered if flipped[i, p] <= 0}
    return flipped


def normalise(z):
    """Shift and scale each row to mean 0 and variance 1 over the points."""
    moved = z - z.mean(axis=1, keepdims=True)
    spread = moved.std(axis=1, keepdims=True)
    flat = spread <= 1e-12 * np.abs(z).max(axis=1, keepdims=True)
    return np.where(flat, 0.0, moved / np.where(flat, 1.0, spread))


@dataclass
class Forward:
    """Statistics of one network, one entry per layer."""

    alive: list = field(default_factory=list)  # per point
    layerwise: list = field(default_factory=list)
    dead_units: list = field(default_factory=list)
    zeros: list = field(default_factory=list)
    variance: list = field(default_factory=list)
    correlation: list = field(default_factory=list)
    rank: list = field(default_factory=list)
    gradient: list = field(default_factory=list)


def forward(network: Network, points, key, trial) -> Forward:
    """Run one network on all points."""
    if network.input_mean_square is not None:
        points = points * np.sqrt(network.input_mean_square / (points**2).mean(axis=1, keepdims=True))
    stream = branch = points.T.astype(float)
    a = np.sqrt((network.effective_depth or 0.0) / network.depth)
    matrices, slopes = [], []
    n_points = len(points)
    started = np.ones(n_points, dtype=bool)
    if network.sign_flip != "none" and not network.has_bias:
        started = points.any(axis=1)
    here, ended, whole = started, np.zeros(n_points, dtype=bool), True
    out = Forward()
    for layer in range(network.depth):
        weights, biases = draw(network, key, layer, trial)
        blocks = network.architecture in ("residual", "skip") and network.effective_depth is None
        if blocks and layer % network.block_depth == 0:
            branch, here = stream, np.ones(n_points, dtype=bool)
        if network.effective_depth is not None:
            read = network.activation(stream)
            z = stream = np.sqrt(1.0 - a**2) * stream + a * (weights @ read + biases[:, None])
        else:
            z = weights @ (stream if network.architecture == "dense" else branch) + biases[:, None]
        if network.architecture == "batch_norm":
            z = normalise(z)
        if network.sign_flip != "none":
            z = flip_signs(z, here, network.sign_flip)
        y = network.activation(z)
        y[np.abs(y) < 1e-14 * (1 + np.abs(network.activation.value_at_zero))] *= not network.activation.value_at_zero
        active = (y != 0).any(axis=0)
        if network.architecture == "dense":
            ended = ended | active
            stream = np.vstack([stream, y])
            out.alive.append(ended)
        else:
            here = here & active
            branch = y
            out.alive.append(here | ended)
            if blocks and (layer + 1) % network.block_depth == 0:
                stream = stream + branch
                ended = ended | here
            if 0.0 < a < 1.0:  # something bypasses the layers: one active layer is enough
                out.alive[-1] = ended = ended | active
        whole = whole and bool(active.any())
        out.layerwise.append(whole)
        out.dead_units.append(int((y == 0).all(axis=1).sum()))
        out.zeros.append(int((y == 0).sum()))
        out.variance.append(float((z**2).mean()))
        out.correlation.append(mean_cosine(z))
        ends = blocks and (layer + 1) % network.block_depth == 0
        features = stream if ends or network.architecture == "dense" else y
        out.rank.append(entropy_rank(features.T) if features.any() else float("nan"))
        matrices.append(weights)
        slopes.append(network.activation.derivative(z))
    if has_gradient(network):
        readout = stream_normals(key, len(features), layer=network.depth, trial=trial, purpose=PURPOSE_READOUT)
        for layer in range(network.depth):
            tangents = pushed_forward(network, matrices, slopes, layer)
            gradient = np.einsum("f,fip->ip", readout / np.sqrt(len(features)), tangents)
            out.gradient.append(float((gradient**2).sum(axis=0).mean()))
    return out


def has_gradient(network: Network):
    """Whether gradients of the network are measured."""
    return network.architecture != "batch_norm" and network.sign_flip == "none"


def outputs_of(network: Network):
    """Return all outputs that the network has."""
    return tuple(name for name in OUTPUTS if name != "log_gradient" or has_gradient(network))


def pushed_forward(network: Network, matrices, slopes, first):
    """Return the derivatives of the last features by the pre-activations of a layer, shape (features, units, points).

    They are carried forward, layer by layer, where the kernel carries the gradient back.
    """
    units, n_points = slopes[first].shape
    a = np.sqrt((network.effective_depth or 0.0) / network.depth)
    blocks = network.architecture in ("residual", "skip") and network.effective_depth is None
    stream = np.zeros(
        (network.fan_ins[first] if network.architecture == "dense" else network.input_dim, units, n_points)
    )
    branch = stream
    for layer in range(first, network.depth):
        if layer == first:
            z = np.repeat(np.eye(units)[:, :, None], n_points, axis=2)
        elif network.effective_depth is not None:
            read = slopes[layer - 1][:, None, :] * stream
            z = np.sqrt(1.0 - a**2) * stream + a * np.einsum("ij,jup->iup", matrices[layer], read)
        else:
            if blocks and layer % network.block_depth == 0:
                branch = stream
            z = np.einsum("ij,jup->iup", matrices[layer], stream if network.architecture == "dense" else branch)
        branch = slopes[layer][:, None, :] * z
        if network.effective_depth is not None:
            stream = z
        elif network.architecture == "dense":
            stream = branch = np.concatenate([stream, branch])
        elif blocks and (layer + 1) % network.block_depth == 0:
            stream = branch = stream + branch
    return branch


def mean_cosine(z):
    """Mean cosine over pairs of points with nonzero columns; NaN without a pair."""
    largest = np.abs(z).max(axis=0)
    z = z / np.where(largest > 0, largest, 1)  # no overflow for huge points
    lengths = np.linalg.norm(z, axis=0)
    units = (z / np.where(lengths > 0, lengths, 1)).T[lengths > 0]
    pairs = [units[i] @ units[j] for i in range(len(units)) for j in range(i)]
    return float(np.mean(pairs)) if pairs else float("nan")


@np.errstate(over="ignore")  # mean squares of huge points
def statistics(network: Network, points, key, trials) -> dict:
    """Compute the statistics of a sampler, with every output, from single networks."""
    runs = [forward(network, points, key, trial) for trial in trials]
    living = np.array([[row.sum() for row in run.alive] for run in runs])
    table = {
        "alive": (living > 0).sum(axis=0),
        "living": living.sum(axis=0),
        "living_squares": (living**2).sum(axis=0),
        "layerwise_alive": np.sum([run.layerwise for run in runs], axis=0),
    }
    for name, attribute in (("dead_units", "dead_units"), ("sparsity", "zeros"), ("variance", "variance")):
        values = np.array([getattr(run, attribute) for run in runs])
        table[name], table[f"{name}_squares"] = values.sum(axis=0), (values**2).sum(axis=0)
    for attribute, names in (("variance", LOG_VARIANCE_SUMS), ("gradient", LOG_GRADIENT_SUMS)):
        if attribute == "gradient" and not has_gradient(network):
            continue
        with np.errstate(divide="ignore"):
            logs = np.log(np.array([getattr(run, attribute) for run in runs]))
        defined = logs > -np.inf
        table[f"{names[0]}_trials"] = defined.sum(axis=0)
        for power, name in enumerate(names, start=1):
            table[name] = (np.where(defined, logs, 0.0) ** power).sum(axis=0)
    for name, attribute in (("correlation", "correlation"), ("effective_rank", "rank")):
        values = np.array([getattr(run, attribute) for run in runs])
        table[name], table[f"{name}_squares"] = np.nansum(values, axis=0), np.nansum(values**2, axis=0)
        table[f"{name}_trials"] = (~np.isnan(values)).sum(axis=0)
    return table


def make_task(network, inputs, *, outputs=(), dtype="float64"):
    """Make a task on the common random numbers of all twins."""
    engine = "dense" if network.law is None else "numpy"
    return Task(network, inputs, engine=engine, dtype=dtype, outputs=tuple(outputs), stream="twins")
