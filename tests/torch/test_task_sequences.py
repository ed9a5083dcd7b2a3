"""Sequences of tasks: what changes between them, what they measure, and that an interrupted run resumes exactly."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.training.bit_flipping import BITS, bit_examples, slow_bits
from neurondeath_torch.training.campaign_checks import check_runs
from neurondeath_torch.training.configuration import Experiment, MethodChoice
from neurondeath_torch.training.configuration_guide import experiment_keys, experiment_template
from neurondeath_torch.training.experiment_files import read_experiment, read_experiments
from neurondeath_torch.training.labelled_data import load_labelled_data
from neurondeath_torch.training.loop import train
from neurondeath_torch.training.run_store import RunStore
from neurondeath_torch.training.task_choice import TasksChoice
from neurondeath_torch.training.task_measurements import measure_task
from neurondeath_torch.training.task_sequences import TaskSequence
from neurondeath_torch.training.trained_models import load_trained, save_trained

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"n_train": 200, "n_test": 100, "validation": 0.2}
BITS_DATA = {"name": "bits", "n_train": 60, "n_test": 20}


def one(kind, number=3, **document):
    tasks = {"kind": kind, "number": number, **document.pop("tasks", {})}
    data = {**(BITS_DATA if kind == "bit-flipping" else SMALL), **document.pop("data", {})}
    whole = {"epochs": 2, "model": {"widths": [12, 12]}, "data": data, **document, "tasks": tasks}
    (experiment,), _ = read_experiments(whole)
    return experiment


def numbers(run):
    return [{name: value for name, value in epoch.items() if name != "train_seconds"} for epoch in run.epochs]


def sequence_of(kind, *, number=3, seed=0, **more):
    choice = TasksChoice(kind=kind, number=number, **more)
    name = "bits" if kind == "bit-flipping" else "digits"
    return TaskSequence(choice, load_labelled_data(name, n_train=300, validation=0.1), seed=seed, epochs=2)


def test_permuted_images_have_the_same_pixels_in_another_place_the_same_for_all_images():
    sequence, plain = sequence_of("permuted-images"), load_labelled_data("digits", n_train=300, validation=0.1)
    seen = []
    for task in range(3):
        data = sequence.data_of(task)
        for name in ("train", "validation", "test"):
            moved, images = getattr(data, name), getattr(plain, name)
            assert torch.equal(moved.classes, images.classes)
            assert torch.equal(moved.images.flatten(1).sort(dim=1)[0], images.images.flatten(1).sort(dim=1)[0])
        # the permutation, found from the columns of the images, is one for training and test images
        columns = plain.train.images.flatten(1).T
        places = [
            [index for index, column in enumerate(columns) if torch.equal(column, moved)]
            for moved in data.train.images.flatten(1).T
        ]
        assert all(places)
        seen.append(data.train.images)
    assert not any(torch.equal(left, right) for left, right in [*pairwise(seen), (seen[0], plain.train.images)])
    assert torch.equal(seen[1], sequence_of("permuted-images").data_of(1).train.images)
    assert not torch.equal(seen[1], sequence_of("permuted-images", seed=1).data_of(1).train.images)
    assert not torch.equal(
        seen[1],
        TaskSequence(TasksChoice(kind="permuted-images", number=3, seed=1), plain, seed=0, epochs=2)
        .data_of(1)
        .train.images,
    )


def test_random_labels_are_drawn_for_every_task_alone():
    sequence, plain = sequence_of("random-labels"), load_labelled_data("digits", n_train=300, validation=0.1)
    first, second = (sequence.data_of(task).train for task in (0, 1))
    assert torch.equal(first.images, plain.train.images)
    assert torch.equal(first.images, second.images)
    for left, right in ((first.classes, second.classes), (first.classes, plain.train.classes)):
        assert abs((left == right).float().mean().item() - 0.1) < 5 * math.sqrt(0.09 / 270)
    assert sequence.scored(1).classes is second.classes


def test_classes_are_added_and_old_ones_stay_or_go():
    kept, gone = sequence_of("class-incremental", number=3, classes=3), None
    gone = sequence_of("class-incremental", number=3, classes=3, keep=False)
    before: set[int] = set()
    for task in range(3):
        seen = set(kept.data_of(task).train.classes.tolist())
        assert len(seen) == 3 * (task + 1)
        assert seen > before or not before
        assert set(gone.data_of(task).train.classes.tolist()) == seen - before
        assert set(kept.data_of(task).test.classes.tolist()) == seen
        assert set(gone.data_of(task).test.classes.tolist()) == seen
        before = seen


def test_one_slow_bit_flips_between_two_tasks_and_targets_follow_one_network():
    for task in range(6):
        inputs, targets = bit_examples(500, seed=3, task=task, purpose="train")
        bits = inputs.view(500, BITS)
        assert (bits[:, :15] == slow_bits(3, task)).all()
        assert (bits[:, -1] == 1).all()
        assert set(bits.unique().tolist()) == {0.0, 1.0}
        assert 0.3 < bits[:, 15:20].mean() < 0.7
        # a second implementation of the target, unit by unit
        generator = torch.Generator().manual_seed(_seed_of_target(3))
        weights = (torch.randint(2, (100, BITS), generator=generator) * 2 - 1).numpy()
        signs = (torch.randint(2, (100,), generator=generator) * 2 - 1).numpy()
        for x, y in zip(bits[:20].numpy(), targets[:20].tolist(), strict=True):
            total = 0
            for row, sign in zip(weights, signs, strict=True):
                threshold = 0.7 * 21 - np.count_nonzero(row == -1)
                total += sign if float(row @ x) > threshold else 0
            assert y == total
    assert targets.std() > 0


def _seed_of_target(seed):
    from neurondeath_torch.training.random_seeds import seed_of

    return seed_of(seed, 0, "target network")


@pytest.mark.parametrize("kind", ["permuted-images", "random-labels", "class-incremental", "bit-flipping"])
@pytest.mark.parametrize("cut", [1, 7, 11])
def test_an_interrupted_sequence_gives_what_a_whole_one_gives(tmp_path, kind, cut):
    optimiser = {"kind": "adam", "learning_rate": 0.01, "batch_size": 40, "schedule": "cosine"}
    asked = one(kind, data={"n_train": 120} if kind != "class-incremental" else {}, optimiser=optimiser)
    whole, path, calls = train(asked, seed=3), tmp_path / "run.pt", [0]

    def stopped():
        calls[0] += 1
        return calls[0] == cut

    with RunStore(tmp_path / "runs.sqlite") as store:
        assert not train(asked, seed=3, store=store, checkpoint=path, stopped=stopped).finished
        second = train(asked, seed=3, store=store, checkpoint=path)
        assert numbers(second) == numbers(whole)
        for left, right in zip(second.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
            assert torch.equal(left, right)
        assert store.run(asked.experiment_id, 3).finished
        assert train(asked, seed=3, store=store, stopped=lambda: pytest.fail("trained again")).finished
    assert [epoch["task"] for epoch in whole.epochs] == [0, 0, 0, 1, 1, 2, 2]


def test_methods_and_fresh_weights_resume_too(tmp_path):
    method = {"kind": "redo", "every": 1, "tau": 0.2}
    for more in ({"method": method}, {"tasks": {"fresh": True}}):
        asked, path, calls = one("permuted-images", **more), tmp_path / f"{len(more)}{next(iter(more))}.pt", [0]

        def stopped(calls=calls):
            calls[0] += 1
            return calls[0] == 9

        whole = train(asked)
        train(asked, checkpoint=path, stopped=stopped)
        assert numbers(train(asked, checkpoint=path)) == numbers(whole)


def test_the_method_decides_on_the_images_of_the_present_task(monkeypatch):
    from neurondeath_torch.training import loop

    shown = []

    class Watching(loop.DecidingData):
        def show(self, data):
            shown.append(data)
            super().show(data)

    monkeypatch.setattr(loop, "DecidingData", Watching)
    asked = one("permuted-images")
    train(asked)
    sequence = TaskSequence(asked.tasks, loop.load_experiment_data(asked), seed=0, epochs=2)
    assert len(shown) == 3
    for task, data in enumerate(shown):
        assert torch.equal(data.validation.images, sequence.data_of(task).validation.images)


def test_fresh_weights_learn_every_task_alike_and_the_learning_rate_restarts():
    asked = one("permuted-images", tasks={"fresh": True}, optimiser={"schedule": "step"}, epochs=4)
    run = train(asked)
    ends, starts = run.epochs[4::4], run.epochs[1::4]
    rates = [epoch["learning_rate"] for epoch in run.epochs[1:5]]
    assert rates[0] > rates[-1]
    assert [epoch["learning_rate"] for epoch in starts] == [rates[0]] * 3
    sizes = [epoch["weight_size"] for epoch in ends]
    assert max(sizes) / min(sizes) < 1.2
    grown = [epoch["weight_size"] for epoch in train(one("permuted-images", epochs=4)).epochs[4::4]]
    assert grown[-1] > max(sizes)


def test_networks_learn_each_task_and_forget_the_one_before():
    asked = one("permuted-images", data={"n_train": None, "n_test": None}, epochs=5, model={"width": 64})
    ends = train(asked).epochs[5::5]
    assert all(epoch["task_accuracy"] > 0.88 for epoch in ends)
    assert all(epoch["past_accuracy"] < 0.75 for epoch in ends[1:])
    assert ends[0]["past_accuracy"] is None
    assert all(epoch["test_accuracy"] == epoch["task_accuracy"] for epoch in ends)
    by_heart = train(one("random-labels", number=2, epochs=60, data={"n_train": 100}, model={"width": 64})).last
    assert by_heart["task_accuracy"] > 0.8
    assert by_heart["test_accuracy"] < 0.4
    added = train(
        one("class-incremental", number=5, epochs=4, data={"n_train": None, "n_test": None}, model={"width": 64})
    )
    assert added.last["task_accuracy"] > 0.85


def test_a_regression_has_losses_and_no_accuracies():
    run = train(one("bit-flipping", data={"n_train": 500}, optimiser={"batch_size": 4, "learning_rate": 0.01}))
    assert run.last["test_loss"] < 0.7 * run.epochs[0]["test_loss"]
    for name in ("test_accuracy", "train_accuracy", "task_accuracy", "online_accuracy", "past_accuracy"):
        assert run.last[name] is None
    assert "test loss" in str(run)


def test_measurements_of_a_task_agree_with_what_they_are_defined_by():
    sequence = sequence_of("permuted-images")
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.ReLU(), nn.Linear(7, 10))
    found = measure_task(model, sequence, 1)
    with torch.no_grad():
        features = model[:3](sequence.data_of(1).train.images).double()
        unit = nn.functional.normalize(features, dim=1)
        shares = torch.linalg.svdvals(unit - unit.mean(dim=0)).square()
        shares = shares / shares.sum()
        rank = torch.exp(-(shares * shares.clamp(min=1e-300).log()).sum())
        right = model(sequence.data_of(0).test.images).argmax(dim=1) == sequence.data_of(0).test.classes
    assert math.isclose(found["feature_rank"], rank.item(), rel_tol=1e-6)
    assert math.isclose(found["past_accuracy"], right.double().mean().item())
    weights = torch.cat([model[1].weight.flatten(), model[3].weight.flatten()])
    assert math.isclose(found["weight_size"], weights.abs().double().mean().item(), rel_tol=1e-6)
    with torch.no_grad():
        model[1].weight[1], model[1].bias[1] = 2.0 * model[1].weight[0], 2.0 * model[1].bias[0]
        model[3].weight[:, 2] = 0.0
        clones, stuck = find_living(model, sequence), measure_task(model, sequence, 1)
        assert stuck["cloned_units"] == clones
        assert stuck["gradient_dormant_units"] == found["gradient_dormant_units"] + 1
        model[1].weight.fill_(math.inf)
    lost = measure_task(model, sequence, 1)
    assert (lost["feature_rank"], lost["gradient_dormant_units"], lost["cloned_units"]) == (None, None, None)


def find_living(model, sequence):
    """Count the pairs of the first two units that are alive, 0 or 1."""
    return int((model[:3](sequence.data_of(1).train.images)[:, 0] > 0).any())


def test_online_accuracy_is_counted_before_the_steps():
    asked = one("permuted-images", number=1, epochs=1, optimiser={"learning_rate": 0.0})
    run = train(asked)
    data = TaskSequence(asked.tasks, load_labelled_data("digits", **SMALL), seed=0, epochs=1).data_of(0)
    with torch.no_grad():
        right = (run.model(data.train.images).argmax(dim=1) == data.train.classes).double().mean().item()
    assert math.isclose(run.last["online_accuracy"], right, abs_tol=1e-9)


def test_ids_of_experiments_without_tasks_stay_and_descriptions_are_read_back():
    assert Experiment(epochs=1).experiment_id == "6e84847ee0d6e890"
    asked = one("class-incremental", tasks={"classes": 3})
    assert read_experiment(asked.description()) == asked
    assert asked.all_epochs == 6
    assert asked.settings()["tasks.classes"] == 3
    assert "3 tasks of class-incremental" in str(asked)


def test_every_key_is_shown():
    keys = experiment_keys()["key"]
    assert {"tasks.kind", "tasks.number", "tasks.seed", "tasks.classes", "tasks.keep", "tasks.fresh"} <= set(keys)
    assert "[tasks]" in experiment_template()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"tasks": {"kind": "permuted"}}, "`tasks.kind` must be one of none, permuted-images"),
        ({"tasks": {"kind": "permuted-images"}}, "`tasks.number` must be given for permuted-images"),
        (
            {"tasks": {"kind": "permuted-images", "number": 0}},
            "`tasks.number` must be a whole number of at least 1; got 0",
        ),
        ({"tasks": {"kind": "permuted-images", "number": 1.5}}, "`tasks.number`"),
        ({"tasks": {"kind": "permuted-images", "number": True}}, "`tasks.number`"),
        ({"tasks": {"kind": "permuted-images", "number": 2, "seed": -1}}, "`tasks.seed`"),
        ({"tasks": {"number": 3}}, "`tasks.number` must be left out for kind none"),
        ({"tasks": {"kind": "random-labels", "number": 3, "classes": 2}}, "`tasks.classes` must be left out for"),
        ({"tasks": {"kind": "random-labels", "number": 3, "keep": False}}, "`tasks.keep` must be left out for"),
        ({"tasks": {"kind": "class-incremental", "number": 6}}, "`tasks.number` must be at most 5"),
        ({"tasks": {"kind": "class-incremental", "number": 1, "classes": 11}}, "`tasks.number` must be at most 0"),
        ({"tasks": {"kind": "bit-flipping", "number": 6}}, "`data.name` must be bits where"),
        ({"data": {"name": "bits"}}, "`data.name` must be bits where"),
        ({"tasks": {"kind": "random-labels", "number": 3, "colour": 1}}, "`tasks.colour` must be one of kind, number"),
        ({"tasks": 3}, "`tasks` must be a table"),
        (
            {"tasks": {"kind": "random-labels", "number": 3}, "method": {"kind": "magnitude-pruning", "every": 1}},
            "`method.kind` must be a method that goes on",
        ),
        (
            {"tasks": {"kind": "random-labels", "number": 3, "fresh": True}, "method": {"kind": "redo"}},
            "`tasks.fresh` must be left out where a method",
        ),
        (
            {"tasks": {"kind": "bit-flipping", "number": 3}, "data": {"name": "bits", "augment": True}},
            "`data.augment` must be left out for bits",
        ),
        (
            {"tasks": {"kind": "bit-flipping", "number": 3}, "data": {"name": "bits", "centre": True}},
            "`data.centre` must be left out for bits",
        ),
    ],
)
def test_bad_settings_are_one_line(document, message):
    with pytest.raises(InvalidArgumentError) as caught:
        read_experiments({"epochs": 1, **document})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_classes_without_images_are_refused_before_any_training():
    asked = one("class-incremental", data={"n_train": 5, "validation": 0.0})
    with pytest.raises(InvalidArgumentError, match=r"`data.n_train` must leave images of all 10 classes"):
        check_runs([(asked, 0)])


def test_a_network_of_bits_is_saved_and_loaded(tmp_path):
    run = train(one("bit-flipping"))
    model = load_trained(save_trained(tmp_path / "bits.pt", run.experiment, 0, run.model))
    assert model(torch.zeros(2, 1, 1, BITS)).shape == (2, 1)


def test_every_method_goes_through_tasks_or_is_refused():
    from neurondeath_torch.training.configuration import CYCLIC
    from neurondeath_torch.training.method_building import METHODS

    options = {"structured-pruning": {"share": 0.1, "every": 1}, "demon-pruning": {"peak": 0.1}}
    for kind in METHODS:
        if kind in CYCLIC:
            continue
        chosen = MethodChoice(kind=kind, options=options.get(kind, {}))
        asked = one("permuted-images", number=2, model={"width": 12, "batch_norm": kind == "demon-pruning"})
        run = train(Experiment(**{**vars_of(asked), "method": chosen}))
        assert run.finished
        assert run.last["task"] == 1


def vars_of(experiment):
    return {name: getattr(experiment, name) for name in ("epochs", "data", "model", "tasks")}
