"""Chains of steps in plain NumPy and double precision, from the definitions of the steps; and a chain with them all."""

import numpy as np

from neurondeath.simulations.inference.programs import LayerWeights, Program, Step

__all__ = ["plain_run", "random_program"]


def plain_run(program, x):
    """Return the outputs of a program at inputs of shape (n, input_size)."""
    values = [np.asarray(x, np.float64)]
    for step in program.steps:
        with np.errstate(all="ignore"):
            values.append(_plain_step(program, step, *(values[source] for source in step.sources)))
    return values[-1]


def _plain_step(program, step, h, *others):
    numbers, vector = step.numbers, step.vector.astype(np.float64)
    match step.kind:
        case "product":
            layer = program.layers[step.layer]
            terms = h[:, None, :] * layer.weight.astype(np.float64)  # not a matrix product: every 0 * inf is a NaN
            return terms.sum(-1) + layer.bias
        case "threshold":
            tau, m, two_sided = numbers
            return _cut(h - tau, m) - (_cut(-h - tau, m) if two_sided else 0.0)
        case "square":
            return h * h
        case "jump":
            return np.where(h <= vector, 0.0, h)
        case "pieces":
            return _pieces(h, vector)
        case "largest":
            return np.array([_largest(row, int(numbers[0])) for row in h])
        case "rescale" | "root_mean_square":
            return h * (numbers[0] / np.sqrt((h * h).mean(1, keepdims=True) + numbers[1]))
        case "centre":
            off = h - h.mean(1, keepdims=True)
            deviation = np.abs(off).mean(1, keepdims=True)
            return off * (numbers[0] / np.where(deviation > numbers[1], deviation, 1.0))
        case "sum":
            return numbers[0] * h + numbers[1] * others[0]
        case "times":
            return h * others[0]
        case "affine":
            return h * vector[: h.shape[1]] + vector[h.shape[1] :]
        case "standardise":
            return (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + numbers[0])
    raise AssertionError(step.kind)


def _cut(h, m):
    return np.where(h != h, h, np.minimum(np.maximum(h, 0.0), m))


def _pieces(h, table):
    n = (len(table) - 3) // 4
    kinks, slopes, points, values = np.split(table, [n, 2 * n + 1, 3 * n + 2])
    piece = (h[..., None] > kinks).sum(-1)
    flat = slopes[piece] == 0.0
    return np.where(h != h, h, values[piece] + np.where(flat, 0.0, slopes[piece] * (h - points[piece])))


def _largest(row, count):
    kept = np.argsort(-np.where(row != row, np.inf, row), kind="stable")[:count]
    result = np.zeros_like(row)
    result[kept] = row[kept]
    return result


def random_program(rng, *, width=37, zero_weights=0.0):
    """Return a program with every kind of step; widths that fill no whole vectors."""

    def layer(name, n_outputs, n_inputs):
        weight = rng.standard_normal((n_outputs, n_inputs)) * np.sqrt(4.0 / n_inputs)
        weight[rng.random(weight.shape) < zero_weights] = 0.0
        return LayerWeights(name, weight.astype(np.float32), rng.standard_normal(n_outputs).astype(np.float32))

    def vector(*parts):
        return np.concatenate(parts).astype(np.float32)

    inner = 3 * width + 1
    layers = (layer("a", width, 11), layer("b", inner, width), layer("c", width, inner), layer("d", 5, width))
    table = vector([-1.0, 0.0, 2.0], [0.0, -0.5, 1.0, 0.0], [-1.0, 0.0, 0.0, 2.0], [0.5, 0.0, 0.0, 2.0])
    steps = [
        Step("product", (0,), 0),
        Step("rescale", (1,), numbers=(1.0, 1e-20)),
        Step("threshold", (2,), numbers=(0.8, 1.1, 0.0)),
        Step("product", (3,), 1),
        Step("affine", (4,), vector=vector(rng.standard_normal(inner), rng.standard_normal(inner))),
        Step("largest", (5,), numbers=(float(max(1, inner // 5)),)),
        Step("product", (6,), 2),
        Step("sum", (2, 7), numbers=(0.9, 0.4)),
        Step("centre", (8,), numbers=(0.8, 1e-20)),
        Step("threshold", (9,), numbers=(0.5, 0.7, 1.0)),
        Step("product", (10,), 1),
        Step("jump", (11,), vector=vector(rng.random(inner))),
        Step("standardise", (12,), numbers=(1e-5,)),
        Step("threshold", (13,), numbers=(0.1, np.inf, 0.0)),
        Step("square", (14,)),
        Step("product", (15,), 2),
        Step("sum", (8, 16), numbers=(1.0, 0.1)),
        Step("pieces", (17,), vector=table),
        Step("times", (18, 10)),
        Step("sum", (18, 19), numbers=(1.0, 1.0)),
        Step("product", (20,), 3),
    ]
    return Program(11, layers, tuple(steps))
