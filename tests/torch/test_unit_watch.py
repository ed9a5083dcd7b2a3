"""Numbers and alarms of a model in training, their writers and the callbacks of trainers, with stand-ins."""

import sys
import types
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError, MissingExtraError
from neurondeath_theory.foundation.progress import PatientProgress
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.reporting.callbacks import lightning_callback, trainer_callback
from neurondeath_torch.reporting.unit_watch import UnitWatch
from neurondeath_torch.reporting.writers import TensorBoardWriter, WandbWriter
from neurondeath_torch.surgery.removal import remove_dead_units
from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.torch.test_monitor import points, seeded


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.act, self.b = nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 6)
        self.deep = nn.Sequential(nn.ReLU(), nn.Linear(6, 1))
        with torch.no_grad():
            self.a.bias += 1.0

    def forward(self, x):
        return self.deep(self.b(self.act(self.a(x))))


def kill(model, units):
    with torch.no_grad():
        model.a.weight[:units], model.a.bias[:units] = 0.0, -1.0


class Memory:
    """A writer that keeps everything."""

    def __init__(self):
        self.values, self.alarms = [], []

    def scalars(self, values, step):
        self.values.append((step, dict(values)))

    def alarm(self, alarm):
        self.alarms.append(alarm)


X = points(32, 3)


def test_scalars_are_those_of_the_report():
    model = seeded(Net, 0)
    kill(model, 3)
    with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        h = model.act(model.a(X))
        model(X)
    report = monitor.report()
    found = report.scalars("units")
    assert all(isinstance(value, float) for value in found.values())
    assert found["units/act/dead"] == 3.0
    assert found["units/act/dead_share"] == 3 / 8
    assert found["units/act/firing_rate"] == pytest.approx((h > 0).double().mean().item())
    assert found["units/dead"] == report.n_dead
    both = [found[f"units/{name}/firing_rate"] for name in ("act", "deep.0.relu")]
    assert found["units/firing_rate"] == pytest.approx((8 * both[0] + 6 * both[1]) / 14)
    result = audit(model, X)
    more = result.scalars()
    assert more["neurondeath/act/q"] == result.layers[0].q
    assert more["neurondeath/act/dead"] == 3.0
    assert more["neurondeath/deep.0.relu/living_ratio"] == result.layers[1].living_ratio


def test_names_kinds_and_remedies_are_shown():
    model = seeded(Net, 0)
    kill(model, 3)
    result = audit(model, X)
    assert [row.label for row in result.layers] == ["`act` (relu)", "`deep.0` (relu)"]
    assert [one.kind for one in result.report.activities] == ["relu", "relu"]
    assert "3 of 8 in `act` (relu)" in str(result)
    for shown in (str(result), result._repr_html_()):
        assert "remove_dead_units(model, loader)" in shown
        assert "  #" not in shown


def test_layers_by_pattern():
    model = seeded(Net, 0)
    kill(model, 3)
    for layers in ("a", ["act"], "ac*"):
        with torch.no_grad(), DeadUnitMonitor(model, layers=layers) as monitor:
            model(X)
        assert [one.name for one in monitor.report().activities] == ["act"]
        result = audit(model, X, layers=layers)
        assert [row.activation for row in result.layers] == ["act"]
        assert result.report.n_units == 8
    whole = audit(model, X)
    part = audit(model, X, layers="deep.*")
    assert part.layers == whole.layers[1:]
    with pytest.raises(InvalidArgumentError, match=r"`layers` must name layers among act, a, deep\.0.*got 'nosuch\*'"):
        audit(model, X, layers="nosuch*")
    with (
        torch.no_grad(),
        pytest.raises(InvalidArgumentError, match=r"`layers` must name activations.*act, deep\.0"),
        DeadUnitMonitor(model, layers="nosuch"),
    ):
        model(X)


def test_alarms_are_raised_once_until_the_activation_has_recovered():
    model, memory = seeded(Net, 0), Memory()
    watch = UnitWatch(
        model, every=2, expected_dead={"act": 0.25}, falling=0.7, writers=[memory], on_alarm=lambda _: None
    )
    healthy = [parameter.detach().clone() for parameter in model.parameters()]
    kinds = []
    with watch:
        for dead in (0, 2, 5, 5, 0, 5):
            with torch.no_grad():
                for parameter, value in zip(model.parameters(), healthy, strict=True):
                    parameter.copy_(value)
            kill(model, dead)
            before = len(watch.alarms)
            for _ in range(2):
                model(X)
                numbers = watch.step()
            assert numbers["neurondeath/act/dead"] == dead
            kinds.append(sorted((one.activation, one.kind) for one in watch.alarms[before:] if one.activation == "act"))
    both = [("act", "dead"), ("act", "falling")]
    assert kinds == [[], [], both, [], [], both]
    assert [step for step, _ in memory.values] == [2, 4, 6, 8, 10, 12]
    assert memory.alarms == watch.alarms
    first = next(one for one in watch.alarms if one.kind == "dead")
    assert (first.step, first.value, first.limit) == (6, 5 / 8, 0.25)
    assert str(first).startswith(
        "step 6: 5 of 8 units of `act` (relu) are dead on 64 points, more than the expected 25 %"
    )
    fallen = next(one for one in watch.alarms if one.kind == "falling" and one.activation == "act")
    assert fallen.value < fallen.limit
    assert not model._forward_hooks


def test_it_is_known_since_when_each_unit_has_been_dead():
    model = seeded(Net, 0)
    healthy = [parameter.detach().clone() for parameter in model.parameters()]
    since = np.full(8, -1)
    watch = UnitWatch(model, every=1, expected_dead=1.0, falling=0.0)
    assert str(watch) == "step 0: no report yet, one every 1 steps"
    with watch:
        for step, dead in enumerate((0, 2, 5, 3, 3, 6), start=1):
            with torch.no_grad():
                for parameter, value in zip(model.parameters(), healthy, strict=True):
                    parameter.copy_(value)
            kill(model, dead)
            model(X)
            watch.step()
            since = np.where(watch.report.dead_units()["act"], np.where(since < 0, step, since), -1)
            assert (since >= 0).sum() == dead
            assert watch.dead_since["act"].tolist() == since.tolist()
    assert sorted(since[since >= 0]) == [2, 2, 3, 6, 6, 6]
    assert str(watch).endswith(
        f"{watch.report.n_dead} of {watch.report.n_units} units dead, the first since step 2, 0 alarms"
    )
    assert "2 to 6" in watch._repr_html_()


def test_only_training_passes_count_and_steps_without_passes_report_nothing(capsys):
    model = seeded(Net, 0)
    with UnitWatch(model, every=1) as watch:
        model.eval()
        model(X)
        assert watch.step() is None
        model.train()
        model(X[:10])
        watch.step()
        assert watch.report.activities[0].n_samples == 10
        kill(model, 8)
        model(X)
        watch.step(7)
    assert "step 7: 8 of 8 units of `act` (relu) are dead" in capsys.readouterr().err
    with UnitWatch(model, every=1, passes="evaluation") as watch:
        model(X)
        model.eval()
        model(X[:5])
        watch.step()
    assert watch.report.activities[0].n_samples == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": 0}, "`every`"),
        ({"expected_dead": 1.5}, "`expected_dead`"),
        ({"falling": -0.1}, "`falling`"),
        ({"on_alarm": 3}, "`on_alarm`"),
        ({"passes": "some"}, "`passes`"),
        ({"layers": 3}, "`layers`"),
    ],
)
def test_bad_options_are_refused_before_training(options, words, monkeypatch):
    with pytest.raises(InvalidArgumentError, match=words):
        UnitWatch(Net(), **options)
    stand_ins(monkeypatch)
    for callback in (lightning_callback, trainer_callback):
        with pytest.raises(InvalidArgumentError, match=words):
            callback(**options)


class Summary:
    """What TensorBoard and Weights & Biases have, as a list of calls."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        if name in ("add_scalar", "add_text", "log", "alert"):
            return lambda *given, **named: self.calls.append((name, given, named))
        raise AttributeError(name)


def test_writers():
    board, run, counted = Summary(), Summary(), Summary()
    model = seeded(Net, 0)
    kill(model, 8)
    writers = [TensorBoardWriter(board), WandbWriter(run), WandbWriter(counted, step=True)]
    with UnitWatch(model, every=1, writers=writers, on_alarm=lambda _: None) as watch:
        model(X)
        numbers = watch.step()
    scalars = {given[0]: given[1:] for name, given, _ in board.calls if name == "add_scalar"}
    assert scalars == {name: (value, 1) for name, value in numbers.items()}
    texts = [given for name, given, _ in board.calls if name == "add_text"]
    assert texts == [("neurondeath/alarms", alarm.message, 1) for alarm in watch.alarms]
    assert run.calls[0] == ("log", ({**numbers, "neurondeath/step": 1},), {})
    assert counted.calls[0] == ("log", (numbers,), {"step": 1})
    assert run.calls[1][2]["title"] == "act: dead"
    for writer in (TensorBoardWriter, WandbWriter):
        with pytest.raises(InvalidArgumentError, match=r"must be a (SummaryWriter|run)"):
            writer(object())


def test_what_is_not_installed_is_one_line(monkeypatch):
    for name in ("tensorboard", "wandb", "lightning", "lightning.pytorch", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    for use, package in (
        (lambda: TensorBoardWriter("runs"), "tensorboard"),
        (WandbWriter, "wandb"),
        (lightning_callback, "lightning"),
        (trainer_callback, "transformers"),
    ):
        with pytest.raises(MissingExtraError, match=f"pip install {package}$"):
            use()


def stand_ins(monkeypatch):
    """Put small packages in the place of Lightning and transformers."""
    lightning, inner = types.ModuleType("lightning"), types.ModuleType("lightning.pytorch")
    inner.Callback = type("Callback", (), {})
    transformers = types.ModuleType("transformers")
    transformers.TrainerCallback = type("TrainerCallback", (), {})
    for module in (lightning, inner, transformers):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_the_callback_of_lightning(monkeypatch):
    stand_ins(monkeypatch)
    logged = []
    logger = types.SimpleNamespace(log_metrics=lambda values, step: logged.append((step, values)))
    module = nn.Module()
    module.net, module.loss = seeded(Net, 0), nn.MSELoss()
    trainer = types.SimpleNamespace(loggers=[logger], global_step=0)
    callback = lightning_callback(every=2, expected_dead=1.0)
    callback.on_train_start(trainer, module)
    for batch in range(8):  # two batches per step of the optimiser
        module.net(X)
        trainer.global_step += batch % 2
        callback.on_train_batch_end(trainer, module, None, X, batch)
    callback.on_train_end(trainer, module)
    assert [step for step, _ in logged] == [2, 4]
    assert logged[0][1]["neurondeath/alarms"] == 0.0
    assert callback.watch.report.activities[0].n_samples == 4 * 32
    assert not module.net._forward_hooks
    named = lightning_callback(module="net.deep")
    named.on_train_start(trainer, module)
    assert len(module.net.deep._forward_hooks) > 0
    named.on_exception(trainer, module, None)
    assert not module.net.deep._forward_hooks
    with pytest.raises(InvalidArgumentError, match="`module` must name a part"):
        lightning_callback(module="nosuch").on_train_start(trainer, module)


def test_the_callback_of_transformers(monkeypatch):
    stand_ins(monkeypatch)
    model, memory = seeded(Net, 0), Memory()
    state = types.SimpleNamespace(global_step=0, log_history=[])
    callback = trainer_callback(every=2, writers=[memory])
    callback.on_train_begin(None, state, None, model=model)
    for step in range(1, 5):
        model(X)
        state.global_step = step
        callback.on_step_end(None, state, None, model=model)
    callback.on_train_end(None, state, None, model=model)
    assert [entry["step"] for entry in state.log_history] == [2, 4]
    assert [step for step, _ in memory.values] == [2, 4]
    assert not model._forward_hooks


def test_a_long_audit_shows_how_far_it_is(monkeypatch, capsys):
    module = sys.modules["neurondeath_torch.auditing.audit"]
    monkeypatch.setattr(module, "PatientProgress", partial(PatientProgress, patience=0.0))
    monkeypatch.setattr("neurondeath_theory.foundation.progress.PlainLines.seconds", 0.0)
    audit(seeded(Net, 0), [X, X, X])
    expected = ["1/3, about 0 s left", "2/3, about 0 s left", "3/3"]
    assert capsys.readouterr().err.splitlines() == [f"audit, batch {how_far}" for how_far in expected]
    audit(seeded(Net, 0), iter([X, X]))
    assert capsys.readouterr().err.splitlines() == ["audit, batch 1", "audit, batch 2"]
    audit(seeded(Net, 0), iter([X, X, X]), max_batches=2)
    assert capsys.readouterr().err.splitlines()[-1] == "audit, batch 2/2"
    monkeypatch.setattr(module, "PatientProgress", PatientProgress)
    audit(seeded(Net, 0), [X, X, X])
    assert capsys.readouterr().err == ""


def test_a_watch_goes_on_after_a_removal_of_units():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    with torch.no_grad():
        model[0].bias[:2] = -100.0
    inputs = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
    with UnitWatch(model, every=1) as watch:
        model(inputs)
        watch.step()
        assert watch.dead_since["1"].tolist() == [1, 1, -1, -1, -1, -1]
        remove_dead_units(model, inputs)
        with torch.no_grad():
            model[0].bias[0] = -100.0
        model(inputs)
        watch.step()
        assert watch.dead_since["1"].tolist() == [2, -1, -1, -1]
        assert "1 of 4 units dead, the first since step 2" in str(watch)
