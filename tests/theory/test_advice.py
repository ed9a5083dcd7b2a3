"""Advice: every number is the one its theorem gives, the ranking is the one stated, and the commands print it."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from neurondeath.commands.console import Command, command_line, run
from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError
from neurondeath_theory.remedies.advice import Advice, advise
from neurondeath_theory.remedies.guaranteed_remedies import STANDINGS, Remedy
from neurondeath_theory.remedies.sign_flip import sign_flip_guarantee
from neurondeath_theory.remedies.streams_and_batch_norm import batch_norm_statement, residual_survival
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.data_aware import data_aware_bounds
from neurondeath_theory.survival.safe_sizes import max_depth, min_width

COMMANDS = {
    "design": Command("neurondeath.commands.size:size", "size"),
    "advise": Command("neurondeath.commands.advise:advise", "advise"),
}
ANY_WIDTH = {
    "plain",
    "wider",
    "residual",
    "critical residual",
    "layer sign flip",
    "neuron sign flip",
    "batch norm",
    "RAI",
}
NAMES = ANY_WIDTH | {"looks-linear"}


def call(*arguments: str) -> int:
    return run(command_line("neurondeath", COMMANDS, help="theory"), "neurondeath", arguments)


def found(advice: Advice) -> dict[str, Remedy]:
    return {remedy.name: remedy for remedy in advice.remedies}


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 50), (4, 20), (10, 10), (10, 11), (64, 100)])
def test_numbers_are_those_of_the_theorems(n: int, k: int) -> None:
    advice = advise(n, k)
    remedies = found(advice)
    assert set(remedies) == (ANY_WIDTH if n % 2 else NAMES)
    assert all(remedy.guaranteed == remedy.alive_at_least for remedy in advice.remedies)
    assert all(remedy.simulated is None and remedy.call for remedy in advice.remedies)
    lower = float(survival_bounds([n] * k).lower[-1])
    assert remedies["plain"].alive_at_least == remedies["plain"].living_ratio == lower
    assert remedies["residual"].alive_at_least == residual_survival(n, k).some_alive[-1]
    for mode in ("layer", "neuron"):
        flip = remedies[f"{mode} sign flip"]
        assert flip.alive_at_least == 1.0
        assert flip.living_ratio == sign_flip_guarantee([n] * k, mode=mode).living_ratio[-1]
    assert remedies["batch norm"].living_ratio == batch_norm_statement([n] * k, 2).point_alive_at_most[-1]
    assert f"width {min_width(k, 0.99)} " in remedies["wider"].statement
    assert remedies["wider"].alive_at_least >= 0.99
    for name in ("RAI", "critical residual"):
        assert (remedies[name].alive_at_least, remedies[name].living_ratio) == (None, None)
        assert "no guarantee" in remedies[name].statement
    if n % 2 == 0:
        assert (remedies["looks-linear"].alive_at_least, remedies["looks-linear"].living_ratio) == (1.0, 1.0)
    assert advice.log10_death_at_most == survival_bounds([n] * k).log10_death_at_most[-1]


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 50), (4, 20), (10, 10), (10, 11), (64, 100)])
def test_ranking_is_the_one_stated(n: int, k: int) -> None:
    remedies = advise(n, k).remedies
    tiers = [STANDINGS.index(remedy.standing) for remedy in remedies]
    assert tiers == sorted(tiers)
    safe = k <= max_depth(n, 0.99)
    assert (remedies[0].name == "plain") == safe
    meeting = [remedy.living_ratio for remedy in remedies if remedy.standing == STANDINGS[0] and remedy.name != "plain"]
    assert meeting == sorted(meeting, reverse=True)
    assert remedies[-1].name == "RAI"
    assert {remedy.standing for remedy in remedies if remedy.name == "batch norm"} == {"layer-wise only"}
    for remedy in remedies:
        if remedy.standing == "misses the goal":
            assert remedy.alive_at_least < 0.99
        if remedy.standing == "meets the goal":
            assert remedy.alive_at_least >= 0.99


def test_inputs_sharpen_the_numbers() -> None:
    x = np.vstack([np.random.default_rng(0).standard_normal((15, 6)), np.zeros((5, 6))])
    advice = advise(4, 20, x)
    remedies = found(advice)
    assert (advice.n_points, advice.n_zero) == (20, 5)
    bounds = data_aware_bounds(x, [4] * 20)
    assert remedies["plain"].alive_at_least == bounds.gallot > survival_bounds([4] * 20).lower[-1]
    assert remedies["plain"].living_ratio == pytest.approx(bounds.mean_living_ratio)
    assert remedies["neuron sign flip"].living_ratio == 15 / 20  # 15 < 2^4: all nonzero points live
    assert remedies["layer sign flip"].living_ratio == 1 / 20
    assert remedies["residual"].living_ratio == pytest.approx(0.75)
    assert remedies["looks-linear"].living_ratio == 0.75
    two = found(advise(4, 20, x[:2]))["plain"]
    assert two.alive_at_least == data_aware_bounds(x[:2], [4] * 20).exact
    assert "exactly" in two.statement


def test_upper_bound_depends_on_the_inputs() -> None:
    x = np.abs(np.random.default_rng(1).standard_normal((4, 2)))
    upper = survival_bounds([2] * 9, input_dim=2, bias=False, nonnegative_inputs=True).upper[-1]
    assert f"<= {upper:.5g};" in found(advise(2, 9, x))["plain"].statement
    assert f"and {upper:.5g}" not in found(advise(2, 9, x - 9.0))["plain"].statement


def test_one_distinct_point_gets_no_guarantee_of_batch_norm() -> None:
    remedy = found(advise(4, 20, np.ones((3, 2))))["batch norm"]
    assert (remedy.standing, remedy.alive_at_least) == ("no guarantee", None)


def test_many_points_are_thinned_which_is_reported() -> None:
    x = np.random.default_rng(2).standard_normal((1500, 3))
    assert "from 1000 of 1500 points" in found(advise(3, 5, x))["plain"].statement


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3), "`width` must be"),
        ((3, 0), "`depth` must be"),
        ((3, 10**8), "`depth` must be at most"),
        ((3, float("nan")), "`depth` must be"),
        ((3, 3, [1.0]), "`inputs` must be a numeric array"),
    ],
)
def test_refuses(arguments: tuple, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        advise(*arguments)
    with pytest.raises(InvalidArgumentError, match="`survival` must lie in"):
        advise(3, 3, survival=1.0)


def test_zero_inputs_are_withheld() -> None:
    with pytest.raises(AssumptionError, match="zero points only"):
        advise(3, 3, np.zeros((2, 2)))


def test_design_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("design", "--depth", "100", "--survival", "0.99", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"depth": 100, "survival": 0.99, "min_width": 14}
    assert call("design", "--width", "10", "--survival", "0.99", "--format", "csv") == 0
    assert capsys.readouterr().out == "width,survival,max_depth\n10,0.99,10\n"
    assert call("design", "--width", "1", "--survival", "0.9") == 0
    assert "already misses 0.9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--survival", "0.9"], "`--depth or --width` must be given"),
        (["--survival", "0.9", "--depth", "3", "--width", "3"], "one of the two"),
        (["--survival", "1", "--depth", "3"], "`--survival` must lie in (0, 1)"),
        (["--survival", "0.5", "--width", "0"], "`--width` must be"),
        (["--depth", "3"], "--survival"),
    ],
)
def test_design_command_refuses(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("design", *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_advise_command_without_simulation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(3).standard_normal((9, 3))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", points=x)
    plain = ["advise", "--width", "4", "--depth", "20", "--no-simulation"]
    outputs = []
    for name in ("x.npy", "x.npz"):
        assert call(*plain, "--inputs", str(tmp_path / name), "--format", "json") == 0
        outputs.append(json.loads(capsys.readouterr().out))
    assert outputs[0] == outputs[1]
    advice = advise(4, 20, x)
    assert [row["name"] for row in outputs[0]["remedies"]] == [remedy.name for remedy in advice.remedies]
    assert outputs[0]["remedies"][-1]["guaranteed"] is outputs[0]["remedies"][-1]["alive_at_least"] is None
    assert call(*plain, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["remedy"] for row in rows] == [remedy.name for remedy in advise(4, 20).remedies]
    assert call(*plain) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in NAMES)
    assert str(advise(4, 20)) in printed


def test_advise_command_refuses_bad_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "objects.npy", np.array([object()]), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.ones(3))
    np.savez(tmp_path / "two.npz", a=np.ones((2, 2)), b=np.ones((2, 2)))
    for name in ("noise.npy", "noise.npz", "text.csv"):
        (tmp_path / name).write_text("not an array")
    (tmp_path / "empty.npy").touch()
    names = ["objects.npy", "flat.npy", "two.npz", "noise.npy", "noise.npz", "text.csv", "empty.npy", "absent.npy"]
    for name in names:
        assert call("advise", "--width", "4", "--depth", "2", "--inputs", str(tmp_path / name)) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1
        assert "--inputs" in captured.err or "absent.npy" in captured.err
        assert captured.out == ""
