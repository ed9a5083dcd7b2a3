"""Simulated advice: its numbers are those of `simulate`, agree with exact values, and rank the remedies."""

import ast
import json
import math
import signal

import numpy as np
import pytest

import neurondeath as nd
import neurondeath_theory
from neurondeath.commands.console import Command, command_line, run
from neurondeath.simulations import advice as module
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError
from tests.references.statistical import assert_agrees, assert_refutes, seeds

POINTS = np.random.default_rng(0).standard_normal((12, 4))
NETWORKS = {
    "plain": nd.Network([4] * 12),
    "wider": nd.Network([11] * 12, input_dim=4),
    "residual": nd.Network([4] * 12, architecture="residual"),
    "critical residual": nd.Network([4] * 12, architecture="residual", effective_depth=1.0),
    "layer sign flip": nd.Network([4] * 12, sign_flip="layer"),
    "neuron sign flip": nd.Network([4] * 12, sign_flip="neuron"),
    "looks-linear": nd.Network([4] * 12, init="looks-linear"),
    "batch norm": nd.Network([4] * 12, architecture="batch_norm"),
    "RAI": nd.Network([4] * 12, init="rai"),
}


def found(advice):
    return {remedy.name: remedy for remedy in advice.remedies}


def test_every_remedy_is_what_simulate_gives():
    advice = nd.advise(4, 12, trials=80, seed=3)
    assert (advice.trials, advice.seed, advice.simulated_inputs) == (80, 3, "gaussian:64")
    remedies = found(advice)
    assert set(remedies) == set(NETWORKS)
    for name, network in NETWORKS.items():
        remedy = remedies[name]
        seen = nd.simulate(network, trials=80, seed=3, stream="advice", engine="dense")
        assert (remedy.simulated, remedy.simulated_stderr) == (seen.alive[-1], seen.alive_stderr[-1])
        assert remedy.simulated_living_ratio == seen.living_ratio[-1]
        assert remedy.simulated_living_ratio_stderr == seen.living_ratio_stderr[-1]
        few = module.rank_trials(80)
        ranked = nd.simulate(network, trials=few, seed=3, stream="advice", outputs=["effective_rank"])
        mean, stderr = (float(values[-1]) for values in ranked.outputs["effective_rank"])
        assert remedy.effective_rank == pytest.approx(mean, rel=1e-9)
        assert remedy.effective_rank_stderr == pytest.approx(stderr, rel=1e-6, abs=1e-7)
    promised = neurondeath_theory.advise(4, 12)
    for remedy in promised.remedies:
        assert remedies[remedy.name].guaranteed == remedy.guaranteed
        assert remedies[remedy.name].statement == remedy.statement


@seeds
def test_simulated_values_agree_with_exact_ones(seed):
    rays = np.array([[1.0, 0.0], [-1.0, 0.2]])
    remedies = found(nd.advise(4, 12, rays, trials=2000, seed=seed))
    exact = nd.data_aware_bounds(rays, [4] * 12).exact
    plain = remedies["plain"]
    assert plain.guaranteed == exact
    assert_agrees(plain.simulated, plain.simulated_stderr, exact)
    assert_refutes(plain.simulated, plain.simulated_stderr, nd.survival_bounds([4] * 12).lower[-1])
    ratio = (1 - 2.0**-4) ** 12
    assert_agrees(plain.simulated_living_ratio, plain.simulated_living_ratio_stderr, ratio)
    for name in ("layer sign flip", "neuron sign flip", "looks-linear"):
        assert remedies[name].simulated == remedies[name].guaranteed == 1.0
    assert remedies["looks-linear"].simulated_living_ratio == 1.0
    wider = remedies["wider"]
    assert wider.guaranteed <= wider.simulated + 5 * max(wider.simulated_stderr, 1 / 2000)


@seeds
def test_streams_of_another_dimension_than_the_inputs(seed):
    one = np.array([[3.0, -1e200, 2.0]])  # at one point P(some branch alive) is exact, whatever the map before it
    remedies = found(nd.advise(1, 2, one, trials=2000, seed=seed))
    assert "looks-linear" not in remedies
    residual = remedies["residual"]
    assert residual.guaranteed == 0.75
    assert_agrees(residual.simulated, residual.simulated_stderr, 0.75)
    moved = module._embedded(InputSet("array", np.array([[0.0, 0.0], [1.0, 2.0]])), 3, 0).points
    assert not moved[0].any()
    assert moved[1].all()


@pytest.mark.parametrize(("width", "depth"), [(3, 20), (4, 30), (8, 8)])
def test_order_is_what_happens(width, depth):
    advice = nd.advise(width, depth, trials=40)
    keys = [(-remedy.simulated, -(remedy.effective_rank or 0.0)) for remedy in advice.remedies]
    assert keys == sorted(keys)
    assert advice.simulated_inputs == "gaussian:64"
    assert advice.n_points is None  # the guarantees hold for any inputs
    assert f"first choice: {advice.remedies[0].name}" in str(advice)
    assert "in 40 simulated networks on gaussian:64" in str(advice)
    assert len({len(column) for column in advice.columns().values()}) == 1


def test_common_random_numbers_sharpen_differences():
    runs = [found(nd.advise(11, 20, trials=20, seed=seed)) for seed in range(8)]
    plain = np.array([run["plain"].effective_rank for run in runs])
    flipped = np.array([run["layer sign flip"].effective_rank for run in runs])
    common, separate = (plain - flipped).var(), (plain - np.roll(flipped, 1)).var()
    assert common < 0.1 * separate


def test_numbers_of_networks_follow_from_the_sizes():
    small, large = nd.Network([8] * 4), nd.Network([64] * 40)
    assert module.operations(large, 64) > 100 * module.operations(small, 64)
    assert module.operations(nd.Network([64] * 4, init="looks-linear"), 4) > module.operations(nd.Network([64] * 4), 4)
    assert module.default_trials(module.OPERATIONS / 100) == 100
    advice = nd.advise(1024, 300)
    assert advice.trials is None
    assert "pass trials" in advice.not_simulated
    assert all(remedy.simulated is None for remedy in advice.remedies)


def test_work_that_is_too_much_is_done_on_request(monkeypatch):
    monkeypatch.setattr(module, "MOST_OPERATIONS", 1.0)
    assert "operations" in nd.advise(2, 2).not_simulated
    advice = nd.advise(2, 2, trials=2)
    assert (advice.trials, advice.not_simulated) == (2, "")


def test_without_simulation_it_is_the_theory():
    assert nd.advise(4, 20, POINTS, simulate=False) == neurondeath_theory.advise(4, 20, POINTS)
    assert nd.advise(4, 20, "gaussian:12", simulate=False).n_points == 12


def test_calls_exist():
    remedies = found(nd.advise(4, 12, simulate=False))
    for name, remedy in remedies.items():
        call = ast.parse(remedy.call, mode="eval").body
        assert call.func.id in nd.__all__
        if call.func.id == "Network":
            made = eval(remedy.call, {"Network": nd.Network})
            assert made == module.remedy_network(name, 4, 12, made.input_dim)
            assert made.widths == NETWORKS[name].widths


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 1}, "`trials` must be a whole number of at least 2"),
        ({"trials": 2.5}, "`trials` must be"),
        ({"seed": -1}, "`seed` must be"),
        ({"simulate": "no"}, "`simulate` must be"),
        ({"quiet": 1}, "`quiet` must be"),
        ({"survival": 1.0}, "`survival` must lie in"),
        ({"inputs": "orthant"}, "`inputs` must be a fixed, finite set of points"),
        ({"inputs": "gauss:4"}, "`inputs` must name an input set"),
        ({"inputs": [1.0]}, "`inputs` must be a numeric array"),
        ({"inputs": input_set("gaussian:4", dimension=3, resample=True)}, "`inputs` must be a fixed"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        nd.advise(3, 3, **options)
    with pytest.raises(InvalidArgumentError, match="`width` must be"):
        nd.advise(0, 3)


def test_zero_inputs_are_withheld():
    with pytest.raises(AssumptionError, match="zero points only"):
        nd.advise(3, 3, np.zeros((2, 2)))


def test_progress_is_shown_when_it_takes_long(monkeypatch, capsys):
    nd.advise(3, 3, trials=2, quiet=False)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    nd.advise(3, 3, trials=2)
    assert capsys.readouterr().err == ""
    nd.advise(3, 3, trials=2, quiet=False)
    assert "remedies, 0/8" in capsys.readouterr().err


def test_an_interruption_says_that_nothing_is_kept(monkeypatch):
    def stopped(*_, **__):
        raise nd.Interrupted("the finished ones are in ':memory:'", int(signal.SIGINT))

    monkeypatch.setattr(module, "estimate", stopped)
    with pytest.raises(nd.Interrupted, match=r"^interrupted; no advice$") as caught:
        nd.advise(3, 3, trials=2)
    assert caught.value.exit_code == 130


def test_command(capsys):
    commands = {"advise": Command("neurondeath.commands.advise:advise", "advise")}

    def call(*arguments):
        return run(command_line("neurondeath", commands, help="advice"), "neurondeath", ["advise", *arguments])

    given = ("--width", "4", "--depth", "12", "--inputs", "gaussian:12", "--trials", "40", "--seed", "2")
    assert call(*given, "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    advice = nd.advise(4, 12, "gaussian:12", trials=40, seed=2)
    assert (document["trials"], document["seed"], document["simulated_inputs"]) == (40, 2, "gaussian:12")
    for row, remedy in zip(document["remedies"], advice.remedies, strict=True):
        for name in ("name", "guaranteed", "simulated", "simulated_stderr", "effective_rank", "statement", "call"):
            assert row[name] == getattr(remedy, name)
    assert call("--width", "4", "--depth", "12", "--trials", "40") == 0
    printed = capsys.readouterr().out
    assert "40 networks per remedy with common random numbers on gaussian:64, since no inputs were given" in printed
    assert "simulated_stderr" in printed
    assert call(*given, "--no-simulation") == 2
    assert "--no-simulation` must be used without --trials" in capsys.readouterr().err
    assert math.isfinite(advice.remedies[0].effective_rank)
