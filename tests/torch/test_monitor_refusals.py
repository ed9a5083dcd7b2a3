"""What the dead-unit monitor does not count or refuses: failed passes, unsupported models, bad arguments."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.torch.test_monitor import eleven, hooks_of, mode_is_off, points


class Fails(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.fc, self.error, self.armed = nn.Linear(3, 3), error, False

    def forward(self, x):
        x = F.relu(self.fc(x))
        if self.armed:
            raise self.error
        return x


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_broken_pass_counts_nothing_and_leaves_nothing(error):
    model = nn.Sequential(Fails(error), nn.ReLU())
    monitor = DeadUnitMonitor(model)
    with pytest.raises(type(error)), monitor:  # noqa: PT012 - the error must leave the monitor, too
        model(points(4, 3))
        model[0].armed = True
        model(points(4, 3))
    assert monitor.n_batches == 1
    assert all(activity.n_samples == 4 for activity in monitor.report().activities)
    assert hooks_of(model) == 0
    assert mode_is_off()


def test_after_a_broken_pass_the_next_counts_again():
    model = nn.Sequential(Fails(ValueError("no")), nn.ReLU())
    with DeadUnitMonitor(model) as monitor:
        model[0].armed = True
        with pytest.raises(ValueError, match="no"):
            model(points(4, 3))
        assert mode_is_off()
        model[0].armed = False
        model(points(4, 3))
    assert [(activity.name, activity.n_samples) for activity in monitor.report().activities] == [
        ("0.relu", 4),
        ("1", 4),
    ]


def test_a_monitor_that_saw_nothing_says_so():
    model = eleven(0)
    with pytest.raises(NeuronDeathError, match="saw no forward pass of Sequential"), DeadUnitMonitor(model):
        copy.deepcopy(model)(points(2, 3))
    with pytest.raises(ValueError, match="mine"), DeadUnitMonitor(model):  # an error of the user's own comes first
        raise ValueError("mine")
    smooth = nn.Sequential(nn.Linear(3, 2), nn.GELU())
    with pytest.raises(NeuronDeathError, match="gelu is zero on no interval"), DeadUnitMonitor(smooth):
        smooth(points(2, 3))


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (lambda: nn.Sequential(torch.compile(eleven(0), backend="eager")), "compiled"),
        (lambda: nn.DataParallel(eleven(0)), "DataParallel"),
        (lambda: nn.Sequential(nn.LazyLinear(3), nn.ReLU()), "lazy 0.weight"),
        (lambda: nn.Sequential(nn.Linear(2, 3, device="meta"), nn.ReLU()), "meta"),
        (lambda: eleven, "torch.nn.Module"),
    ],
)
def test_models_that_cannot_be_watched_are_refused(model, word):
    with pytest.raises(InvalidArgumentError, match=word) as caught:
        DeadUnitMonitor(model())
    assert "\n" not in str(caught.value)


def test_a_model_compiled_in_place_is_refused_even_between():
    model = eleven(0)
    monitor = DeadUnitMonitor(model)
    model.compile(backend="eager")
    with pytest.raises(InvalidArgumentError, match="compiled"):
        monitor.__enter__()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_model_is_refused():
    with pytest.raises(InvalidArgumentError, match="scripted"):
        DeadUnitMonitor(torch.jit.trace(eleven(0), torch.ones(1, 3)))


def test_not_a_number_is_refused_by_name():
    model = eleven(0)
    with torch.no_grad():
        model[0].bias[5] = torch.nan
    with DeadUnitMonitor(model) as monitor:
        model(points(2, 3))
    with pytest.raises(InvalidArgumentError, match="NaN or infinity in 1, unit 5"):
        monitor.report()


def test_units_that_change_are_refused():
    model = eleven(0)
    with DeadUnitMonitor(model):
        model(points(2, 3))
        model[0].weight, model[0].bias = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.zeros(4))
        model[2].weight = nn.Parameter(torch.ones(2, 4))
        with pytest.raises(InvalidArgumentError, match="11 units at first and 4 now"):
            model(points(2, 3))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"threshold": -1}, "threshold"),
        ({"watch": "1"}, "watch"),
        ({"watch": ["x"]}, "watch"),
        ({"watch": [3]}, "watch"),
    ],
)
def test_bad_arguments(arguments, word):
    with pytest.raises(InvalidArgumentError, match=f"`{word}`"):
        DeadUnitMonitor(eleven(0), **arguments)


def test_bad_questions():
    model = eleven(0)
    with DeadUnitMonitor(model) as monitor:
        model(points(2, 3))
    for arguments in ({"tau": -1.0}, {"window": 0}, {"window": 1.5}):
        with pytest.raises(InvalidArgumentError):
            monitor.report(**arguments)
    with pytest.raises(InvalidArgumentError, match="by"):
        monitor.report().dead_units(by="unit")
    with pytest.raises(InvalidArgumentError, match="name"):
        monitor.report()["nosuch"]
    with pytest.raises(InvalidArgumentError, match="later"):
        monitor.report().overlap(None)
