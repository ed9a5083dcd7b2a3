"""Randomly composed networks: the monitor equals a count by hand, removal and recycling keep the outputs or refuse."""

from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.surgery.removal import remove_dead_units
from neurondeath_torch.watching.monitor import DeadUnitMonitor

POINTS, TOKENS, WIDTH = 30, 4, 6
# what may lie between a layer and its rectifier, and the way back: axes are (points, tokens, units)
DETOURS = {
    "none": (lambda h: h, lambda h: h, 2),
    "transpose": (lambda h: h.transpose(1, 2), lambda h: h.transpose(1, 2), 1),
    "permute": (lambda h: h.permute(2, 0, 1), lambda h: h.permute(1, 2, 0), 0),
    "rows": (lambda h: h.flatten(0, 1), lambda h: h.view(POINTS, TOKENS, -1), 1),
    "image": (lambda h: h.mT.unsqueeze(-1), lambda h: h.squeeze(-1).mT, 1),
    "batch": (lambda h: h[None], lambda h: h[0], 3),
}
RECTIFIERS = {
    "function": functional.relu,
    "method": lambda h: h.relu(),
    "in place": lambda h: h.clone().relu_(),
    "clamp": lambda h: h.clamp(min=0),
    "module": nn.ReLU(),
}
block = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["plain", "residual", "shared", "branches", "norm"]),
        "detour": st.sampled_from(sorted(DETOURS)),
        "rectifier": st.sampled_from(sorted(RECTIFIERS)),
        "dead": st.lists(st.integers(0, WIDTH - 1), max_size=3, unique=True),
    }
)


class Composed(nn.Module):
    """Blocks in sequence; `seen` holds every rectifier's output and the axis of its units."""

    def __init__(self, blocks):
        super().__init__()
        self.blocks, self.seen = blocks, []
        self.first, self.last = nn.Linear(5, WIDTH), nn.Linear(WIDTH, 3)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in blocks)
        self.others = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in blocks)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in blocks)
        with torch.no_grad():
            for layer, one in zip(self.layers, blocks, strict=True):
                layer.bias[one["dead"]] = -30.0

    def rectified(self, one, h):
        there, back, axis = DETOURS[one["detour"]]
        h = RECTIFIERS[one["rectifier"]](there(h))
        self.seen.append((h.detach().clone(), axis))
        return back(h)

    def forward(self, x):
        self.seen.clear()
        h = self.first(x)
        for one, layer, other, norm in zip(self.blocks, self.layers, self.others, self.norms, strict=True):
            if one["kind"] == "plain":
                h = self.rectified(one, layer(h))
            elif one["kind"] == "residual":
                h = h + self.rectified(one, layer(h))
            elif one["kind"] == "shared":
                h = self.rectified(one, layer(self.rectified(one, layer(h))))
            elif one["kind"] == "branches":
                h = self.rectified(one, layer(h)) * 0.5 + other(h)
            else:
                h = self.rectified(one, norm(layer(h)))
        return self.last(h)


def made(blocks, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Composed(blocks).double().eval(), torch.randn(POINTS, TOKENS, 5, dtype=torch.float64)


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(blocks=st.lists(block, min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_the_monitor_equals_a_count_by_hand(blocks, seed):
    model, x = made(blocks, seed)
    with DeadUnitMonitor(model) as monitor:
        model(x)
    activities = monitor.report().activities
    assert len(activities) == len(model.seen)
    for activity, (h, axis) in zip(activities, model.seen, strict=True):
        rows = h.movedim(axis, 0).flatten(1).numpy()
        assert activity.n_active.tolist() == (rows != 0).sum(1).tolist()
        np.testing.assert_allclose(activity.mean_size, np.abs(rows).mean(1), rtol=1e-12)
    assert not monitor.report().not_watched


@quick
@given(blocks=st.lists(block, min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_removal_and_recycling_keep_the_outputs_or_refuse(blocks, seed):
    model, x = made(blocks, seed)
    before = model(x).detach()
    with suppress(InvalidArgumentError):
        ReDo(model, None, data=x, every=1, tau=0.0).recycle()
    torch.testing.assert_close(model(x), before, rtol=0.0, atol=1e-9)
    model, x = made(blocks, seed)
    with suppress(InvalidArgumentError):
        assert remove_dead_units(model, x).deviation < 1e-9
    torch.testing.assert_close(model(x), before, rtol=0.0, atol=1e-9)


def test_plain_blocks_lose_their_dead_units():
    """The property above must not hold because everything is refused."""
    one = {"kind": "plain", "detour": "none", "rectifier": "function", "dead": [0, 4]}
    model, x = made([one, one], 0)
    removal = remove_dead_units(model, x)
    assert removal.n_removed >= 4


@pytest.mark.parametrize("detour", sorted(DETOURS))
def test_every_detour_is_one(detour):
    there, back, axis = DETOURS[detour]
    h = torch.randn(POINTS, TOKENS, WIDTH)
    assert torch.equal(back(there(h)), h)
    assert there(h).shape[axis] == WIDTH
