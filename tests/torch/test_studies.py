"""Studies: writing and reading tables, the studies that are not a grid, and the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from neurondeath.paper_check.verification import check
from neurondeath_torch.studies import absolute_value
from neurondeath_torch.studies import noise as noise_study
from neurondeath_torch.studies import running as study_running
from neurondeath_torch.studies.export import study_rows
from neurondeath_torch.studies.inference_speed import speed_rows
from neurondeath_torch.studies.noise import noise_rows
from neurondeath_torch.studies.removal_speed import removal_rows
from neurondeath_torch.studies.running import MADE_HERE, QUICK, planned_runs, run_study
from neurondeath_torch.studies.tables import STUDIES, StudyTableError, read_study
from neurondeath_torch.training.configuration import ModelChoice
from neurondeath_torch.training.experiment_files import read_experiments
from neurondeath_torch.training.loop import load_experiment_data, train
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.run_store import RunStore
from neurondeath_torch.training.trained_models import load_trained
from neurondeath_torch.watching.monitor import DeadUnitMonitor

NAME = "neurondeath_torch"


@pytest.fixture
def tiny(monkeypatch):
    """Reduce the study of learning rates to two experiments, two seeds and two epochs."""
    document = {
        "epochs": 2,
        "seeds": [3, 4],
        "data": {"n_train": 100, "n_test": 50},
        "model": {"widths": [8]},
        "grid": {"optimiser": [{"learning_rate": 0.1}, {"learning_rate": 0.4, "batch_size": 16}]},
    }
    monkeypatch.setattr(
        study_running, "planned_runs", lambda name, quick=False: (document, *read_experiments(document))
    )
    return document


def test_one_run_of_a_study_is_trained_and_its_network_saved(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("neurondeath.commands.study.planned_runs", study_running.planned_runs)
    program = command_line("neurondeath", COMMANDS, help="")
    assert run(program, "neurondeath", ["study", "dead_units", "--run", "4", "--save", "m.pt", "--quiet"]) == 0
    assert capsys.readouterr().out == "m.pt\n"
    assert not (tmp_path / "dead_units.csv").exists()
    with RunStore(tmp_path / "dead_units.sqlite", readonly=True) as store:
        (only,) = store.runs()
    assert (only.seed, only.description["optimiser"]["batch_size"]) == (4, 16)
    data = load_experiment_data(read_experiments(tiny)[0][1])
    with torch.no_grad():
        right = load_trained(tmp_path / "m.pt")(data.test.images).argmax(dim=1) == data.test.classes
    assert float(right.float().mean()) == pytest.approx(only.epochs[-1]["test_accuracy"])
    assert run(program, "neurondeath", ["study", "dead_units", "--run", "5"]) == 2
    assert "`--run` must be at most 4" in capsys.readouterr().err
    run_study("dead_units", store=tmp_path / "dead_units.sqlite", folder=tmp_path, device="cpu")
    assert len(read_study("dead_units", tmp_path).last_epochs()) == 4
    for checkpoint in tmp_path.glob("*.checkpoints/*.pt"):
        checkpoint.unlink()
    assert run(program, "neurondeath", ["study", "dead_units", "--save", "n.pt"]) == 2
    assert "delete the store to train the run again" in capsys.readouterr().err
    assert not (tmp_path / "n.pt").exists()


def test_a_table_holds_what_the_store_holds(tiny, tmp_path):
    path = run_study("dead_units", store=tmp_path / "runs.sqlite", folder=tmp_path, device="cpu")
    assert path == tmp_path / "dead_units.csv"
    table = read_study("dead_units", tmp_path)
    with RunStore(tmp_path / "runs.sqlite", readonly=True) as store:
        runs = store.runs()
    assert len(runs) == 4
    assert [row["epoch"] for row in table.rows] == [0, 2] * 4  # of this study every tenth epoch, and the last
    assert {row["optimiser.learning_rate"] for row in table.rows} == {0.1, 0.4}
    assert [row["seed"] for row in table.last_epochs()] == [3, 4, 3, 4]
    for stored in runs:
        (row,) = table.where(experiment=stored.experiment_id, seed=stored.seed, epoch=2)
        assert row["test_loss"] == pytest.approx(stored.epochs[2]["test_loss"], rel=1e-5)
        assert row["dead_share"] == pytest.approx(stored.epochs[2]["dead_units"] / 8)
    assert table.provenance["configuration"] == tiny
    assert table.provenance["seconds"] >= 0
    assert {"torch", "threads", "device", "date", "python"} <= set(table.provenance)


def test_stored_runs_are_not_trained_again(tiny, tmp_path, monkeypatch):
    def study():
        return run_study("dead_units", store=tmp_path / "runs.sqlite", folder=tmp_path, device="cpu").read_text()

    first = study()
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", None)  # any training step would fail
    assert study() == first


def test_last_epochs_of_sparse_designs_have_their_zeros(tmp_path):
    model = {"widths": [30, 20], "activation": "clipped-shifted-relu", "sparsity": 0.8, "v_prime": 0.7}
    document = {"epochs": 2, "measure": 100, "data": {"n_train": 200, "n_test": 100}, "model": model}
    experiments, _ = read_experiments({**document, "optimiser": {"learning_rate": 1e-3}})
    dense = replace(experiments[0], model=ModelChoice(options={"widths": [30, 20]}))
    with RunStore(tmp_path / "runs.sqlite") as store:
        trained, _ = train(experiments[0], store=store), train(dense, store=store)
        by_run = [store.run(one.experiment_id, 0) for one in (experiments[0], dense)]
        first, _, last, *_, of_dense = study_rows(by_run)
        alone = study_rows(by_run[1:])[-1]
    zeros = [float(share) for share in last["test_zeros"].split()]
    data = load_experiment_data(experiments[0])
    with DeadUnitMonitor(trained.model.eval()) as monitor, torch.no_grad():
        trained.model(data.test.images)
    assert zeros == pytest.approx([one.sparsity for one in monitor.report().activities], abs=6e-4)
    assert last["test_zeros_off"] == pytest.approx(np.mean(zeros) - 0.8, abs=1e-3)
    assert last["test_zeros_least"] == pytest.approx(min(zeros), abs=1e-3)
    assert last["test_zeros_near"] == np.mean(np.abs(np.array(zeros) - 0.8) <= 0.05)
    assert last["test_sparsity"] == pytest.approx(np.average(zeros, weights=[30, 20]), abs=1e-3)
    assert "test_zeros" not in first
    assert of_dense["test_zeros_least"] == pytest.approx(min(map(float, of_dense["test_zeros"].split())), abs=1e-3)
    assert not {"test_zeros_off", "test_zeros_near"} & of_dense.keys()
    assert "test_zeros" not in alone


def test_a_torn_table_is_refused(tiny, tmp_path):
    path = run_study("dead_units", store=tmp_path / "runs.sqlite", folder=tmp_path, device="cpu")
    path.write_text("\n".join(path.read_text().splitlines()[:-2]))
    with pytest.raises(StudyTableError, match="torn"):
        read_study("dead_units", tmp_path)


def test_every_study_has_a_reduced_size_that_is_smaller():
    assert QUICK.keys() == STUDIES.keys()
    for name in STUDIES.keys() - MADE_HERE.keys():
        sizes = []
        for quick in (False, True):
            _, experiments, seeds = planned_runs(name, quick=quick)
            data = experiments[0].data
            n_train = data.n_train or {"digits": 1797, "mnist": 60_000}[data.name]
            sizes.append(len(experiments) * len(seeds) * experiments[0].epochs * n_train)
        assert sizes[1] < sizes[0], name


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("activation_seeds", "activation"),
        ("stripping_transformer_seeds", "stripping_transformer"),
        ("stripping_widths", "stripping"),
        ("dead_units_batches", "dead_units"),
    ],
)
def test_studies_on_other_seeds_have_runs_of_the_first_one(name, original):
    """Each of their experiments is one of the original's, and no run is."""
    (_, own, seeds), (_, first, used) = planned_runs(name), planned_runs(original)
    assert {one.experiment_id for one in own} <= {one.experiment_id for one in first}
    assert not {*seeds} & {*used}
    assert len(seeds) > len(used)


def test_networks_on_the_absolute_value_are_counted():
    rows = absolute_value.collapse_rows(n_networks=12, steps=20, n_points=64)
    for row in rows:
        found = absolute_value.train_on_absolute_value(row["initialisation"], n_networks=12, steps=20, n_points=64)
        born = absolute_value.train_on_absolute_value(row["initialisation"], n_networks=12, steps=0, n_points=64)
        assert row["born_constant"] == (np.ptp(born.outputs[:, :, 0], axis=1) <= 1e-6).sum()
        assert row["constant"] == found.n_constant()
        assert row["constant"] + row["learned"] + row["rest"] == 12
        assert row["loss_0.5"] == pytest.approx(np.median(found.loss))
    assert rows[0]["born_constant"] > rows[3]["born_constant"]


def test_noise_that_is_zero_changes_nothing():
    for noise in ("gaussian", "gaussian, live"):
        rows = noise_rows(steps=10, deviation=0.0, epochs=1, seeds=[0], noises=[noise])
        assert len({(row["dead_units"], row["train_accuracy"]) for row in rows}) == 1
    (*_, last) = noise_rows(steps=10, deviation=1.0, epochs=1, seeds=[0], noises=["gaussian"])
    assert last["train_accuracy"] < 0.5


@pytest.mark.parametrize("noise", noise_study.NOISES)
def test_dead_units_get_no_noise_but_where_all_do(noise):
    _, (experiment, *_), _ = planned_runs("dead_units")
    data = noise_study.load_experiment_data(experiment)
    model = build_model(experiment.model, data.shape, data.n_classes)
    with torch.no_grad():
        model[3].bias[:7] = -100.0
    before = model[3].weight.clone()
    noise_study._Noise(model, data, noise, 0, 0.01, 0.01, 8).update()
    moved = (model[3].weight != before).any(dim=1)
    assert moved[7:].any()
    assert bool(moved[:7].any()) == (noise == "gaussian")


def test_noise_of_stochastic_gradients_is_zero_in_the_mean():
    _, (experiment, *_), _ = planned_runs("dead_units")
    data = noise_study.load_experiment_data(experiment)
    model = build_model(experiment.model, data.shape, data.n_classes)
    before = model[1].weight.clone()
    noise_study._Noise(model, data, "sgd", 0, 0.0, 0.01, 200_000).update()  # a batch so large that it is all images
    large = (model[1].weight - before).abs().max()
    before = model[1].weight.clone()
    noise_study._Noise(model, data, "sgd", 0, 0.0, 0.01, 8).update()
    assert large < 0.05 * (model[1].weight - before).abs().max()


def test_removal_is_counted_and_leaves_the_outputs():
    rows = removal_rows(epochs=3, widths=[16, 16], peaks=[0.5], repeats=2, seeds=[0])
    before, after = rows
    assert after["units"] < before["units"]
    assert after["multiply_adds"] < before["multiply_adds"]
    assert after["deviation"] < 1e-3
    assert before["time_ratio"] == before["processor_ratio"] == 1.0
    assert 0.0 < after["processor_ratio"] < 2.0
    # by hand: 3 x 3 kernels over 8 x 8 pixels, then 10 logits
    assert before["multiply_adds"] == 64 * 9 * (16 + 16 * 16) + 16 * 10


def test_speed_is_measured_once_per_network_and_goes_on_where_it_stopped():
    size = {"networks": {"small": (40, 2)}, "batches": [1, 4], "seeds": [0]}
    kept = []
    first = speed_rows(sparsities=[0.7], **size, keep=lambda rows: kept.append(len(rows)))
    assert [row["batch"] for row in first] == [1, 4]
    both = speed_rows(sparsities=[0.7, 0.9], **size, finished=first, keep=lambda rows: kept.append(len(rows)))
    assert both[:2] == first
    assert kept == [2, 4]
    for row in both:
        assert row["ratio"] == pytest.approx(row["dense_us"] / row["sparse_us"])
        assert row["log2_ratio"] == pytest.approx(np.log2(row["ratio"]))
        assert row["needed_gap"] == pytest.approx(row["needed"] - row["needed_predicted"])
        assert abs(row["needed_gap"]) < 0.15  # 40 units, six batches
    assert both[2]["needed"] < both[0]["needed"]


def call(*arguments):
    return run(command_line(NAME, COMMANDS, help=""), NAME, ["study", *arguments])


def test_the_command(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("neurondeath.commands.study.planned_runs", study_running.planned_runs)
    assert call("dead_units", "--out", str(tmp_path), "--device", "cpu") == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(tmp_path / "dead_units.csv")
    assert "run 4/4" in captured.err
    assert call("list", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["study"] == list(STUDIES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "`study`"),
        (["dead_units", "--out", "no/such"], "`--out`"),
        (["dead_units", "--jobs", "0"], "`--jobs`"),
        (["dead_units", "--store", "no/such/runs.sqlite"], "`--store`"),
        (["dead_units", "--device", "abacus"], "`--device`"),
    ],
)
def test_bad_requests_are_one_line(arguments, words, capsys):
    assert call(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_check_can_run_its_studies_again(tiny, monkeypatch, tmp_path):
    claims = tmp_path / "claims.toml"
    claims.write_text(
        """
        [[claim]]
        id = "M1"
        paper = "mine"
        statement = "Training lowers the loss."

        [[claim.check]]
        route = "training"
        checker = "neurondeath.paper_check.checkers.training.study_tables:difference"
        parameters = { study = "dead_units", y = "train_loss", left = { at = "last" }, right = { at = "first" }, relation = "<", by = ["optimiser.learning_rate"] }
        """  # noqa: E501
    )
    report = check(claims=claims, retrain=True)
    (found,) = report.claims
    assert found.evidence[0].numbers["n"] == [2, 2]
    assert found.evidence[0].numbers["estimate"][1] < 0
    assert report.passed  # two seeds may be undecided, which is not a failure
    run_study("dead_units", store=tmp_path / "runs.sqlite", folder=tmp_path, device="cpu")
    again = check(claims=claims, studies=tmp_path)
    np.testing.assert_allclose(
        again.claims[0].evidence[0].numbers["estimate"], found.evidence[0].numbers["estimate"], rtol=1e-3
    )


def test_what_a_check_refuses(tmp_path):
    for wrong in ({"retrain": True, "self_test": True}, {"retrain": True, "studies": tmp_path}, {"studies": "no/such"}):
        with pytest.raises(ValueError, match=r"retrain|studies"):
            check("L5", **wrong)
