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


def test_layers_without_an_activation_between_keep_every_pass_traced() -> None:
    """What the second layer reads is looked at in every pass: a constant column is found on all data, or not at all."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2), nn.ReLU())
    with torch.no_grad():
        model[0].weight[1] = torch.tensor([1.0, 0.0])
    x = torch.randn(8, 2)
    x[:, 0] = 0.5
    with DeadUnitMonitor(model) as monitor:
        model(x)
        assert not tracer_of(monitor)._on_route
        assert monitor.report().constant_inputs["1"].tolist() == [False, True, False]
        model(torch.randn(8, 2))
        assert monitor.report().constant_inputs == {}


def test_many_small_activations_of_one_shape_are_counted_in_parts() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*[part for _ in range(9) for part in (nn.Linear(16, 16), nn.ReLU())])
    x = torch.randn(700, 16)
    with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        model(x)
        model(x)
        expected = []
        for layer in model:
            x = layer(x)
            expected += [2 * (x > 0).sum(0)] if isinstance(layer, nn.ReLU) else []
    assert [one.n_active.tolist() for one in monitor.report().activities] == [one.tolist() for one in expected]


def test_what_is_done_to_an_activation_later_changes_no_count() -> None:
    class Overwriting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = torch.relu(self.layer(x))
            return h.mul_(0.0)

    torch.manual_seed(0)
    model, x = Overwriting(), torch.randn(30, 3)
    with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        model(x)
    with torch.no_grad():
        expected = (model.layer(x) > 0).sum(0)
    assert monitor.report().activities[0].n_active.tolist() == expected.tolist()


def test_activations_in_hooks_are_named_after_the_module() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model[0].register_forward_hook(lambda module, args, output: torch.relu(output))
    with DeadUnitMonitor(model) as monitor:
        model(torch.randn(4, 2))
    assert [(one.name, one.layer) for one in monitor.report().activities] == [("0.relu", "0")]


def test_a_replaced_weight_is_looked_at() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(16, 3)
    with DeadUnitMonitor(model) as monitor:
        model(x)
        model[0].weight = nn.Parameter(torch.zeros(4, 3))
        model(x)
    pruned = monitor.report().activities[0].pruned
    assert pruned is not None
    assert pruned.tolist() == [True] * 4


def test_a_pass_of_another_kind_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Axes move by number: of images without a batch, another axis is flattened."""
    traced: list[tuple[int, ...]] = []
    begin = KnownRoute.begin

    def counted(route: KnownRoute, args: tuple[torch.Tensor, ...], kwargs: dict[str, object]) -> None:
        traced.append(tuple(args[0].shape))
        begin(route, args, kwargs)

    monkeypatch.setattr(KnownRoute, "begin", counted)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    with DeadUnitMonitor(model):
        for shape in ((8, 4), (3, 4), (2, 5, 4), (1, 5, 4), (8, 4)):
            model(torch.randn(*shape))
    assert traced == [(8, 4), (2, 5, 4), (8, 4)]


class Cut(nn.Module):
    """Two activations, the second on a part of the points, so that they have one shape in some passes only."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.points = nn.Linear(3, 4), nn.Linear(4, 4), 8

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))[: self.points]))


@pytest.mark.parametrize("saved", [False, True])
def test_counts_are_kept_when_activations_are_counted_together_anew(saved: bool) -> None:
    torch.manual_seed(0)
    model, expected = Cut(), [torch.zeros(4, dtype=torch.int64), torch.zeros(4, dtype=torch.int64)]
    monitor = DeadUnitMonitor(model)
    for points in (8, 5, 8, 3, 8):
        x, model.points = torch.randn(8, 3), points
        if saved:
            state = monitor.state_dict()
            monitor = DeadUnitMonitor(model)
            monitor.load_state_dict(state)
        with monitor, torch.no_grad():
            model(x)
            h = torch.relu(model.first(x))
        expected[0] += (h > 0).sum(0)
        expected[1] += (torch.relu(model.second(h[:points])) > 0).sum(0)
    report = monitor.report()
    assert [one.n_active.tolist() for one in report.activities] == [counts.tolist() for counts in expected]
    assert [one.n_samples for one in report.activities] == [40, 32]


def test_a_size_at_the_threshold_is_not_active() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(2))
    with DeadUnitMonitor(model, threshold=0.5) as monitor:
        model(torch.tensor([[0.5, 0.75], [0.25, 0.5]]))
    assert monitor.report().activities[0].n_active.tolist() == [0, 1]
