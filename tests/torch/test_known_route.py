"""Passes on a known route are counted like those that are traced call by call."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from neurondeath_torch.networks.forward_tracing import ForwardTracer
from neurondeath_torch.networks.known_route import KnownRoute
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport
from neurondeath_torch.watching.monitor import DeadUnitMonitor


def perceptron() -> nn.Module:
    shared = nn.ReLU()
    inner = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), shared, nn.Dropout(0.3))
    return nn.Sequential(nn.Linear(4, 6), shared, inner, nn.Linear(5, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))


def images() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU6(), nn.Flatten(), nn.Linear(80, 7), nn.ReLU()
    )


KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (perceptron, (4,)),
    "images": (images, (2, 4, 4)),
}


def counts(report: DeadUnitReport) -> list[object]:
    return [
        (one.name, one.layer, one.n_samples, one.n_positions, one.n_active.tolist(), one.last_fired.tolist())
        for one in report.activities
    ]


def tracer_of(monitor: DeadUnitMonitor) -> ForwardTracer:
    tracer = monitor._tracer
    assert tracer is not None
    return tracer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [False, True])
def test_counts_equal_those_of_traced_passes(kind: str, training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    build, shape = KINDS[kind]
    torch.manual_seed(1)
    model = build().train(training)
    batches = [torch.randn(n, *shape) for n in (8, 8, 3, 8, 1000, 2)]

    def watched(known: bool) -> tuple[DeadUnitReport, list[bool]]:
        if not known:
            monkeypatch.setattr(KnownRoute, "end", lambda self: False)
        torch.manual_seed(2)
        on_route = []
        with DeadUnitMonitor(copy.deepcopy(model)) as monitor:
            for batch in batches:
                output = monitor._model(batch)
                if training:
                    output.sum().backward()
                on_route.append(tracer_of(monitor)._on_route)
        return monitor.report(), on_route

    quick, on_route = watched(True)
    traced, never = watched(False)
    assert all(on_route)
    assert not any(never)
    assert counts(quick) == counts(traced)
    for one, other in zip(quick.activities, traced.activities, strict=True):
        torch.testing.assert_close(torch.as_tensor(one.mean_size), torch.as_tensor(other.mean_size))


def test_a_changed_model_is_traced_again() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4))
    x = torch.randn(16, 3)
    with DeadUnitMonitor(model) as monitor:
        model(x)
        model(x)
        model.append(nn.ReLU())
        model(x)
        model[0].weight = nn.Parameter(torch.zeros(4, 3))
        model[0].bias = nn.Parameter(torch.tensor([1.0, -1.0, -1.0, -1.0]))
        model(x)
    report = monitor.report()
    first = report.activities[0]
    assert first.pruned is not None
    assert first.pruned.tolist() == [True] * 4
    assert [one.n_samples for one in report.activities] == [64, 32]
    with torch.no_grad():
        assert report.activities[1].n_active.tolist() != [0] * 4


def test_a_choice_in_the_model_keeps_every_pass_traced() -> None:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.act = nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.act(self.a(x) if x.mean() > 0 else self.b(x)))

    model = Choosing()
    with DeadUnitMonitor(model) as monitor:
        model(torch.ones(2, 2))
        model(-torch.ones(2, 2))
        assert not tracer_of(monitor)._on_route


@pytest.mark.parametrize("smooth", [nn.GELU(), nn.PReLU(), nn.LeakyReLU(0.0)], ids=lambda one: type(one).__name__)
def test_activations_that_depend_on_arguments_keep_every_pass_traced(smooth: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), smooth, nn.Linear(2, 1))
    with DeadUnitMonitor(model) as monitor:
        model(torch.randn(4, 2))
        assert not tracer_of(monitor)._on_route


def test_hooks_are_gone_after_errors_on_the_route() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    monitor = DeadUnitMonitor(model)
    with monitor:
        model(torch.randn(4, 2))
        with pytest.raises(RuntimeError):
            model(torch.randn(4, 5))
        model(torch.randn(4, 2))
    assert monitor.n_batches == 2
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.overrides._get_current_function_mode_stack() == []  # type: ignore[no-untyped-call]


def test_an_interrupt_on_the_route_leaves_nothing_behind() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))

    def interrupt(module: nn.Module, args: object, output: object) -> None:
        raise KeyboardInterrupt

    monitor = DeadUnitMonitor(model)

    def interrupted() -> None:
        with monitor:
            model(torch.randn(4, 2))
            model[2].register_forward_hook(interrupt)
            model(torch.randn(4, 2))

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert monitor.n_batches == 1
    assert torch.overrides._get_current_function_mode_stack() == []  # type: ignore[no-untyped-call]
    model[2]._forward_hooks.clear()
    with monitor:
        model(torch.randn(4, 2))
    assert monitor.n_batches == 2
