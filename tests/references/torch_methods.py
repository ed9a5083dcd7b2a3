"""A small problem to train on, and the test that a resumed training equals one that was never interrupted."""

import io

import torch
import torch.nn.functional as F  # noqa: N812 - its conventional name
from torch import nn

from neurondeath_torch.surgery.shrunk_models import load_shrunk

BATCHES = 4

torch.set_num_threads(1)  # tensors this small only make threads wait for each other


def points(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(seed, *layers):
    """Build a model from functions that create its layers, with its own seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(*(layer() for layer in layers))


@torch.no_grad()
def kill(layer, units):
    """Make units of a layer (or channels of a norm) inactive on any data of moderate size."""
    layer.weight[units] = 0.0
    layer.bias[units] = -1.0


def train(model, optimiser, method, x, y, epochs):
    model.train()
    for _ in range(epochs):
        for inputs, targets in zip(x.chunk(BATCHES), y.chunk(BATCHES), strict=True):
            optimiser.zero_grad()
            (F.mse_loss(model(inputs), targets) + method.penalty()).backward()
            optimiser.step()
            method.after_step()
        method.after_epoch()


def run(make_model, make_optimiser, make_method, x, y, epochs, seed=0):
    model = make_model(seed)
    optimiser = make_optimiser(model)
    method = make_method(model, optimiser)
    train(model, optimiser, method, x, y, epochs)
    return model, optimiser, method


def assert_same_state(one, other):
    one, other = one.state_dict(), other.state_dict()
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def assert_resumes(make_model, make_optimiser, make_method, x, y, *, epochs, cut):
    """Check that training resumed from a file equals uninterrupted training bit by bit."""
    whole, _, method = run(make_model, make_optimiser, make_method, x, y, epochs)
    before, optimiser, interrupted = run(make_model, make_optimiser, make_method, x, y, cut)
    file = io.BytesIO()
    saved = {"model": before.state_dict(), "optimiser": optimiser.state_dict(), "method": interrupted.state_dict()}
    torch.save(saved, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    model = make_model(99)  # different weights, all of which must be replaced
    optimiser = make_optimiser(model)
    resumed = make_method(model, optimiser)
    load_shrunk(model, loaded["model"], optimiser=optimiser)
    optimiser.load_state_dict(loaded["optimiser"])
    resumed.load_state_dict(loaded["method"])
    train(model, optimiser, resumed, x, y, epochs - cut)
    assert_same_state(whole, model)
    assert resumed.report() == method.report()
    assert method.report().events, "the method did nothing: the test has no power"
