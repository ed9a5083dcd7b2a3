"""Models compiled by torch.compile: every tool works on the original, which shares its parameters."""

import pytest
import torch
from torch import nn

from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.auditing.forecast import forecast
from neurondeath_torch.initialising.sign_flipping import sign_flip_
from neurondeath_torch.surgery.removal import remove_dead_units, remove_units
from neurondeath_torch.surgery.resetting import reset_units
from neurondeath_torch.surgery.shrunk_models import load_shrunk
from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.torch.test_monitor import points, seeded

X = points(32, 5)


def pair():
    def build():
        model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
        with torch.no_grad():
            model[0].weight[:3], model[0].bias[:3] = 0.0, -1.0
        return model

    model = seeded(build, 0)
    return model, torch.compile(model, backend="eager")


def test_a_compiled_model_is_watched_and_runs_compiled_again():
    model, compiled = pair()
    with torch.no_grad():
        expected = compiled(X)
        forward = vars(compiled)["forward"]
        with DeadUnitMonitor(compiled) as monitor:
            assert torch.equal(compiled(X), expected)
            model(X)
        assert vars(compiled)["forward"] is forward
        assert monitor.n_batches == 2
        assert monitor.report()["1"].dead.tolist() == [True] * 3 + [False] * 5
        assert torch.equal(compiled(X), expected)
        with pytest.raises(ValueError, match="mine"), DeadUnitMonitor(compiled):
            raise ValueError("mine")
        assert vars(compiled)["forward"] is forward


def test_tools_change_the_original():
    model, compiled = pair()
    assert [row.dead for row in audit(compiled, X).layers] == [3]
    assert forecast(compiled, X, torch.arange(32) % 3).score == forecast(model, X, torch.arange(32) % 3).score
    with torch.no_grad():
        before = compiled(X).clone()
        assert remove_dead_units(compiled, X, certify=True).n_removed == 3
        assert model[0].out_features == 5
        torch.testing.assert_close(compiled(X), before)
        torch.testing.assert_close(model(X), before)
    remove_units(compiled, {"0": [0]}, data=X)
    reset_units(compiled, {"0": [0]}, data=X)
    assert model[0].out_features == 4
    other, its_compiled = pair()
    load_shrunk(its_compiled, model.state_dict())
    assert torch.equal(other(X), model(X))
    assert sign_flip_(torch.compile(other, backend="eager"), X).n_points == 32
