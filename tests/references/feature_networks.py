"""Plain NumPy twins that sample networks at birth: their features, their Jacobians, their streams."""

import math

import numpy as np

from neurondeath_theory.trainability.looks_linear import mirrored_weights


def sample_features(points, width, depth, architecture, activation, sigma_w2, sigma_b2, rng, effective_depth=1.0):
    """Draw one network and return the features of its last hidden layer, shape (n_points, width)."""

    def layer(x, units=width, variance=sigma_w2):
        weights = rng.standard_normal((x.shape[1], units)) * math.sqrt(variance / x.shape[1])
        return x @ weights + rng.standard_normal(units) * math.sqrt(sigma_b2 if variance == sigma_w2 else 0.0)

    if architecture == "plain":
        x = points
        for _ in range(depth):
            x = activation(layer(x))
        return x
    if architecture == "residual":
        x = points
        for _ in range(depth):
            x = x + activation(layer(x, points.shape[1]))
        return x
    if architecture == "looks-linear":
        halves = [haar(width // 2, points.shape[1] if i == 0 else width // 2, rng) for i in range(depth)]
        x = points.T
        for weights in mirrored_weights([*halves, np.ones((1, width // 2))])[:-1]:
            x = np.maximum(weights @ x, 0.0)
        return x.T
    h = points / np.linalg.norm(points, axis=1, keepdims=True) @ rng.standard_normal((points.shape[1], width))
    share = effective_depth / depth
    for _ in range(depth):
        h = math.sqrt(1.0 - share) * h + math.sqrt(share) * layer(activation(h))
    return activation(h)


def haar(rows, columns, rng):
    """Draw a matrix with orthonormal columns (rows, if it is wider than high)."""
    tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def sample_plain_sizes(widths, input_dim, slopes, sigma_w2, n_networks, rng):
    """Draw plain zero-bias networks; return log|x_l|^2, log|J u|^2 and log|J^T v|^2 of those alive, all relative."""
    x = np.ones((n_networks, input_dim))
    tangent = rng.standard_normal((n_networks, input_dim))
    start = np.log((tangent**2).sum(axis=1))
    layers = []
    for width in widths:
        weights = rng.standard_normal((n_networks, width, x.shape[1])) * math.sqrt(sigma_w2 / x.shape[1])
        z = np.einsum("tij,tj->ti", weights, x)
        slope = np.where(z > 0.0, slopes[1], slopes[0])
        x, tangent = slope * z, slope * np.einsum("tij,tj->ti", weights, tangent)
        layers.append((weights, slope))
    gradient = rng.standard_normal((n_networks, widths[-1]))
    end = np.log((gradient**2).sum(axis=1))
    for weights, slope in reversed(layers):
        gradient = np.einsum("tij,ti->tj", weights, slope * gradient)
    alive = (x != 0.0).any(axis=1)
    with np.errstate(divide="ignore"):
        size = np.log((x**2).sum(axis=1)) - math.log(input_dim)
        forward = np.log((tangent**2).sum(axis=1)) - start
        backward = np.log((gradient**2).sum(axis=1)) - end
    return size[alive], forward[alive], backward[alive]


def sample_angles(width, depth, angle, n_pairs, rng):
    """Draw the chain of angles of pairs; return alive, parallel and angle after every layer, each (depth, n_pairs)."""
    theta = np.full(n_pairs, angle)
    parallel, alive = np.zeros(n_pairs, dtype=bool), np.ones(n_pairs, dtype=bool)
    found = []
    for _ in range(depth):
        z, w = rng.standard_normal((2, n_pairs, width))
        t = theta[:, None]
        other = np.cos(t) * z + np.sin(t) * w
        safe = np.maximum(t, 1e-300)
        # (b - a) / angle without cancellation, so that tiny angles keep their digits
        both = (-2.0 * np.sin(t / 2) ** 2 * z + np.sin(t) * w) / safe
        a, b = np.maximum(z, 0.0), np.maximum(other, 0.0)
        step = np.where((z > 0) & (other > 0), both, np.where(z > 0, -z / safe, np.where(other > 0, other / safe, 0.0)))
        aa, bb = (a * a).sum(axis=1), (b * b).sum(axis=1)
        survive = np.where(parallel, aa > 0, (aa > 0) & (bb > 0))
        alive = alive & survive
        parallel = parallel | (survive & (((a > 0) | (b > 0)).sum(axis=1) == 1))
        rest = step - a * ((a * step).sum(axis=1) / np.where(aa > 0, aa, 1.0))[:, None]
        sine = np.sqrt((rest * rest).sum(axis=1) / np.where(bb > 0, bb, 1.0)) * theta
        cosine = (a * b).sum(axis=1) / np.sqrt(np.where(survive & (aa * bb > 0), aa * bb, 1.0))
        theta = np.where(parallel | ~survive, 0.0, np.arctan2(sine, cosine))
        found.append((alive, parallel & alive, theta))
    return tuple(np.array(part) for part in zip(*found, strict=True))


def sample_residual(design, width, depth, effective_depth, n_networks, rng):
    """Draw critical residual networks with their matrices; return log q, log|J u|^2 and log|J^T v|^2, per unit."""
    keep, add = math.sqrt(1.0 - effective_depth / depth), math.sqrt(effective_depth / depth)
    phi = design.activation
    rows = []
    for _ in range(n_networks):
        h = math.sqrt(design.q) * rng.standard_normal(width)
        u, v = rng.standard_normal((2, width))
        u, v = u / np.sqrt(np.mean(u * u)), v / np.sqrt(np.mean(v * v))
        branches = []
        for _ in range(depth):
            weights = rng.standard_normal((width, width)) * math.sqrt(design.sigma_w2 / width)
            slope = phi.derivative(h)
            branches.append((weights, slope))
            u = keep * u + add * weights @ (slope * u)
            bias = math.sqrt(design.sigma_b2) * rng.standard_normal(width)
            h = keep * h + add * (weights @ phi(h) + bias)
        for weights, slope in reversed(branches):
            v = keep * v + add * slope * (weights.T @ v)
        rows.append([np.log(np.mean(h * h)), np.log(np.mean(u * u)), np.log(np.mean(v * v))])
    return np.array(rows).T
