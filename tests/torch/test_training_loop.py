"""The training loop learns, measures correctly and resumes exactly after an interruption."""

from itertools import chain

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.training import loop
from neurondeath_torch.training.batches import epoch_batches
from neurondeath_torch.training.configuration import (
    DataChoice,
    Experiment,
    MethodChoice,
    ModelChoice,
    OptimiserChoice,
)
from neurondeath_torch.training.labelled_data import Split, load_labelled_data
from neurondeath_torch.training.loop import train
from neurondeath_torch.training.measurements import measure_epoch
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.objectives import loss_of
from neurondeath_torch.training.run_store import RunStore, RunStoreError

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = DataChoice(n_train=200, n_test=100, validation=0.2)
TIMES = ("train_seconds",)


def experiment(**changes):
    return Experiment(**{"epochs": 3, "data": SMALL, "model": ModelChoice(options={"widths": [16, 16]}), **changes})


def numbers(run):
    return [{name: value for name, value in epoch.items() if name not in TIMES} for epoch in run.epochs]


def test_it_learns_and_seeds_differ():
    run = train(Experiment(epochs=4), seed=0)
    assert run.last["test_accuracy"] > 0.9
    assert run.epochs[0]["test_accuracy"] < 0.3
    assert [epoch["epoch"] for epoch in run.epochs] == [0, 1, 2, 3, 4]
    assert numbers(train(experiment(), seed=1)) == numbers(train(experiment(), seed=1))
    assert numbers(train(experiment(), seed=1))[0] != numbers(train(experiment(), seed=2))[0]
    assert "digits, mlp, sgd, seed 0: test accuracy" in str(run)


@pytest.mark.parametrize(
    ("kind", "schedule"), [("sgd", "constant"), ("adam", "cosine"), ("adamw", "one-cycle"), ("sgd", "step")]
)
def test_an_interrupted_run_gives_what_a_whole_one_gives(tmp_path, kind, schedule):
    asked = experiment(
        optimiser=OptimiserChoice(kind=kind, learning_rate=0.01, schedule=schedule, batch_size=50),
        model=ModelChoice(options={"widths": [16], "batch_norm": True}),
    )
    whole = train(asked, seed=3)
    calls = [0]

    def stopped():
        calls[0] += 1
        return calls[0] == 7  # in the middle of the second epoch: 160 images make 4 batches

    path = tmp_path / "run.pt"
    with RunStore(tmp_path / "runs.sqlite") as store:
        first = train(asked, seed=3, store=store, checkpoint=path, stopped=stopped)
        assert not first.finished
        assert len(first.epochs) == 2
        assert store.n_epochs(asked.experiment_id, 3) == 2
        assert "stopped" in str(first)
        second = train(asked, seed=3, store=store, checkpoint=path)
        assert second.finished
        assert numbers(second) == numbers(whole)
        for left, right in zip(second.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
            assert torch.equal(left, right)
        # a complete run is read, not trained again
        third = train(asked, seed=3, store=store, checkpoint=path, stopped=lambda: pytest.fail("trained again"))
        assert third.epochs == second.epochs
        assert torch.equal(next(third.model.parameters()), next(whole.model.parameters()))


def test_bfloat16_is_that_of_the_steps_alone(tmp_path, monkeypatch):
    """Products are rounded: training is another one, nearly as good; weights and measurements are float32."""
    rounded = OptimiserChoice(kind="adam", learning_rate=0.01, precision="bfloat16")
    asked = experiment(epochs=4, optimiser=rounded)
    plain = experiment(epochs=4, optimiser=OptimiserChoice(kind="adam", learning_rate=0.01))
    seen = set()
    monkeypatch.setattr(loop, "loss_of", lambda outputs, *rest: seen.add(outputs.dtype) or loss_of(outputs, *rest))
    single, half = train(plain), train(asked)
    assert seen == {torch.float32}
    assert asked.experiment_id != plain.experiment_id
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}
    before = [{**numbers(run)[0], "running_loss": None} for run in (single, half)]
    assert before[0] == before[1]
    gap = abs(half.last["test_loss"] - single.last["test_loss"])
    assert 0.0 < gap < 0.05
    path = tmp_path / "run.pt"
    calls = [0]

    def stopped():
        calls[0] += 1
        return calls[0] == 5  # 160 images make 3 batches

    assert not train(asked, checkpoint=path, stopped=stopped).finished
    assert numbers(train(asked, checkpoint=path)) == numbers(half)


def test_a_store_that_lost_its_last_epoch_gets_it_back(tmp_path):
    """The process is killed between writing the checkpoint and the store's row."""
    path = tmp_path / "run.pt"
    whole = train(experiment(), checkpoint=path)
    with RunStore(":memory:") as store:
        train(experiment(), store=store, checkpoint=path)
        assert store.n_epochs(experiment().experiment_id, 0) == 4
        assert [run["test_loss"] for run in store.runs()[0].epochs] == [run["test_loss"] for run in whole.epochs]


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    train(experiment(epochs=1), checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RunStoreError, match="is damaged"):
        train(experiment(epochs=1), checkpoint=path)
    path.write_bytes(b"")
    with pytest.raises(RunStoreError, match="is damaged"):
        train(experiment(epochs=1), checkpoint=path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunStoreError, match="cannot write the checkpoint"):
        train(experiment(epochs=1), checkpoint=tmp_path / "file" / "run.pt")


def test_divergence_ends_a_run(tmp_path):
    asked = experiment(epochs=20, optimiser=OptimiserChoice(learning_rate=1e6))
    with RunStore(":memory:") as store:
        run = train(asked, store=store)
        assert run.last["diverged"]
        assert run.last["dead_units"] is None
        assert len(run.epochs) < 21
        assert "diverged" in str(run)
        assert train(asked, store=store, stopped=lambda: pytest.fail("trained again")).epochs[-1]["diverged"]


def test_measurements_against_counting_by_hand():
    data = load_labelled_data("digits", n_train=150, n_test=50, validation=0.2)
    model = build_model(ModelChoice(options={"widths": [11, 7]}), data.shape, 10, seed=4)
    with torch.no_grad():
        model[1].bias[3] = -1e3  # one of 11 dead
        model[1].weight[5] = 0.0  # one without inputs, alive by its bias
        model[1].bias[5] = 1.0
    measured = measure_epoch(model, data, n_images=100)
    hidden = []
    x = data.train.images[:100].flatten(1)
    for layer in (model[1], model[3]):
        x = torch.relu(layer(x))
        hidden.append(x)
    logits = model[5](x)
    dead = [int((h == 0).all(0).sum()) for h in hidden]
    assert measured["dead_by_activation"] == dead
    assert measured["dead_units"] == sum(dead)
    assert dead[0] >= 1
    assert measured["units"] == 18
    share = torch.cat([(h == 0).float() for h in hidden], dim=1).mean().item()
    assert measured["activation_sparsity"] == pytest.approx(share, rel=1e-6)
    assert measured["static_dnr"] == pytest.approx(1 / 18)
    pruned = torch.arange(18) == 5
    zero = torch.cat([(h == 0).float() for h in hidden], dim=1)
    assert measured["dynamic_dnr"] == pytest.approx((zero * ~pruned).sum(1).div(18).mean().item(), rel=1e-6)
    expected = nn.functional.cross_entropy(logits, data.train.classes[:100]).item()
    assert measured["train_loss"] == pytest.approx(expected, rel=1e-5)
    right = (logits.argmax(1) == data.train.classes[:100]).float().mean().item()
    assert measured["train_accuracy"] == pytest.approx(right)
    zeros = sum(int((p == 0).sum()) for p in model.parameters())
    assert zeros == 64
    assert measured["active_parameters"] == measured["parameters"] - zeros
    alive = [(h != 0).any(0) for h in hidden]
    by_hand = 64 * (int(alive[0].sum()) - int(alive[0][5]))  # incoming weights of live units, biases below
    together = (hidden[0] != 0).float().T @ (hidden[1] != 0).float()  # a weight learns where both its ends are active
    by_hand += int((together > 0).sum()) + int(alive[1].sum()) * 10
    by_hand += int(alive[0].sum()) + int(alive[1].sum()) + 10
    assert measured["live_parameters"] == by_hand
    assert all(p.grad is None for p in model.parameters())
    assert measured["weight_sparsity"] == pytest.approx(64 / (64 * 11 + 11 * 7 + 7 * 10))


@pytest.mark.parametrize("kind", ["cnn", "lenet", "vgg", "resnet", "vit"])
def test_every_model_trains(kind):
    """Train on images of 16 x 16 whose class is the position of a bright patch."""
    generator = torch.Generator().manual_seed(0)
    images = 0.1 * torch.randn(64, 1, 16, 16, generator=generator)
    classes = torch.arange(64) % 4
    for image, label in zip(images, classes, strict=True):
        image[0, 8 * (label // 2) : 8 * (label // 2) + 8, 8 * (label % 2) : 8 * (label % 2) + 8] += 1.0
    split = Split(images, classes)
    data = type(load_labelled_data("digits", n_train=10))("digits", split, Split(images[:0], classes[:0]), split)
    asked = Experiment(
        epochs=30 if kind == "vit" else 6,
        model=ModelChoice(kind=kind, options={"patch": 8} if kind == "vit" else {}),
        optimiser=OptimiserChoice(kind="adamw", learning_rate=3e-3, batch_size=16, clip=1.0),
    )
    run = train(asked, data=data)
    assert run.last["test_accuracy"] > 0.9
    assert run.last["validation_accuracy"] is None
    assert run.last["units"] > 100


@pytest.mark.parametrize("initialisation", ["default", "he", "rai", "edge-of-chaos"])
def test_sparse_activations_and_initialisations(initialisation):
    choice = ModelChoice(
        activation="clipped-shifted-relu",
        sparsity=0.7,
        v_prime=0.7,
        initialisation=initialisation,
        options={"widths": [400] * 4},
    )
    data = load_labelled_data("digits", n_train=300)
    model = build_model(choice, data.shape, 10, seed=0, images=data.train.images)
    sparsity = measure_epoch(model, data, n_images=300)["activation_sparsity"]
    if initialisation == "edge-of-chaos":
        assert sparsity == pytest.approx(0.7, abs=0.02)
    else:
        assert abs(sparsity - 0.7) > 0.05


def test_sign_flips_keep_images_alive():
    data = load_labelled_data("digits", n_train=60)

    def alive(flip):
        choice = ModelChoice(initialisation="he", sign_flip=flip, options={"widths": [6] * 30})
        model = build_model(choice, data.shape, 10, seed=1, images=data.train.images)
        x = data.train.images
        for module in model[:-1]:
            x = module(x)
        return int((x > 0).any(1).sum())

    assert alive("none") < 60
    assert alive("neuron") == 60


def test_batches_depend_on_seed_and_epoch_alone():
    split = Split(torch.arange(40.0).reshape(10, 1, 2, 2), torch.arange(10))
    first = [c.tolist() for _, c in epoch_batches(split, 4, seed=0, epoch=1)]
    assert first == [c.tolist() for _, c in epoch_batches(split, 4, seed=0, epoch=1)]
    assert first != [c.tolist() for _, c in epoch_batches(split, 4, seed=0, epoch=2)]
    assert sorted(chain.from_iterable(first)) == list(range(10))
    assert [len(c) for c in first] == [4, 4, 2]


def test_augmentation_shifts_and_mirrors():
    images = torch.zeros(200, 1, 16, 16)
    images[:, 0, 8, 4] = 1.0
    split = Split(images, torch.zeros(200, dtype=torch.int64))
    places = set()
    for batch, _ in epoch_batches(split, 50, seed=0, epoch=0, shift=True):
        assert batch.sum((1, 2, 3)).tolist() == [1.0] * 50
        places |= {tuple(place) for place in batch[:, 0].nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in range(6, 11) for column in range(2, 7)}
    mirrored = torch.cat([b for b, _ in epoch_batches(split, 50, seed=0, epoch=0, mirror=True)])
    columns = mirrored[:, 0].nonzero()[:, 2]
    assert set(columns.tolist()) == {4, 11}
    assert 60 < int((columns == 11).sum()) < 140


def test_what_does_not_fit_is_named():
    for asked, match in [
        (
            experiment(model=ModelChoice(options={"wide": 3})),
            "`model.wide` must be one of widths, width, depth, batch_norm for mlp",
        ),
        (experiment(model=ModelChoice(kind="lenet")), "at least 12 x 12"),
        (experiment(model=ModelChoice(kind="vit", options={"patch": 3})), "divide the image's sides"),
        (experiment(model=ModelChoice(options={"widths": []})), "widths"),
        (experiment(model=ModelChoice(activation="shifted-relu", sparsity=1.5)), "sparsity"),
        (experiment(data=DataChoice(n_train=10**9)), "n_train"),
        (experiment(method=MethodChoice(kind="redo", options={"hope": 1})), "method.hope"),
    ]:
        with pytest.raises(InvalidArgumentError, match=match) as caught:
            train(asked)
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="device"):
        train(experiment(), device="tpu")
