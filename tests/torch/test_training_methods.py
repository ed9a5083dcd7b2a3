"""Every method in the training loop acts, learns and resumes exactly after an interruption."""

import pytest
import torch

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.training.configuration import DataChoice, Experiment, MethodChoice, ModelChoice, OptimiserChoice
from neurondeath_torch.training.loop import train

pytestmark = pytest.mark.usefixtures("one_thread")

METHODS = {
    "synaptic-stripping": {"every": 1, "stripping_factor": 0.2},
    "demon-pruning": {"peak": 0.2, "remove_every": 10, "noise": 1e-3},
    "activate-while-pruning": {"every": 2, "share": 0.3, "activate_share": 0.1},
    "magnitude-pruning": {"every": 2, "share": 0.3, "base": "gradient"},
    "structured-pruning": {"every": 2, "share": 0.2},
    "redo": {"every": 10, "tau": 0.1},
    "continual-backprop": {"rate": 0.005, "maturity": 5},
    "self-normalised-resets": {"level": 0.05, "every": 4, "longest": 20},
    "l2-init": {"strength": 0.001},
}


def experiment(kind, **options):
    return Experiment(
        epochs=6,
        data=DataChoice(n_train=600, n_test=200, validation=0.25),
        model=ModelChoice(options={"width": 24, "batch_norm": kind == "demon-pruning"}),
        # a learning rate that kills units, so that the methods act
        optimiser=OptimiserChoice(learning_rate=0.1 if kind == "demon-pruning" else 0.25, batch_size=50),
        method=MethodChoice(kind=kind, options={**METHODS[kind], **options}),
    )


def numbers(run):
    return [{name: value for name, value in epoch.items() if name != "train_seconds"} for epoch in run.epochs]


@pytest.mark.parametrize("kind", METHODS)
def test_each_method_acts_learns_and_resumes(tmp_path, kind):
    asked = experiment(kind)
    whole = train(asked, seed=1)
    first, last = whole.epochs[0], whole.last
    if kind in ("synaptic-stripping", "activate-while-pruning", "magnitude-pruning"):
        assert last["weight_sparsity"] > 0.0
    if kind in ("demon-pruning", "structured-pruning"):
        assert last["parameters"] < first["parameters"]
        assert last["units"] < first["units"]
    if kind == "activate-while-pruning":  # two cycles are over: 0.7 of 0.7 of the weights are left
        assert last["weight_sparsity"] == pytest.approx(1 - 0.49, abs=0.001)
    assert last["test_accuracy"] > 0.5
    calls = [0]

    def stopped():
        calls[0] += 1
        return calls[0] == 47  # 9 batches per epoch: in the last epoch

    path = tmp_path / "run.pt"
    assert not train(asked, seed=1, checkpoint=path, stopped=stopped).finished
    again = train(asked, seed=1, checkpoint=path)
    assert numbers(again) == numbers(whole)
    for left, right in zip(again.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_what_a_method_does_shows_against_none():
    plain = train(Experiment(**{**vars(experiment("redo")), "method": MethodChoice()}), seed=1)
    assert plain.last["weight_sparsity"] == 0.0
    assert numbers(plain)[-1] != numbers(train(experiment("redo"), seed=1))[-1]


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("synaptic-stripping", {"evry": 1}, "`method.evry` must be one of every, stripping_factor"),
        ("synaptic-stripping", {"every": 0}, "every"),
        ("demon-pruning", {"schedule": "cosine"}, "one-cycle, whole-one-cycle, constant"),
        ("demon-pruning", {"span": 0.0}, "method.span"),
        ("activate-while-pruning", {"share": 1.0}, "share"),
    ],
)
def test_bad_keywords_are_named(kind, options, match):
    with pytest.raises(InvalidArgumentError, match=match):
        train(experiment(kind, **options))
    bare = Experiment(epochs=1, method=MethodChoice(kind="magnitude-pruning"))
    with pytest.raises(InvalidArgumentError, match=r"`method.every` must be given"):
        train(bare)
    bare = Experiment(epochs=1, method=MethodChoice(kind="demon-pruning"))
    with pytest.raises(InvalidArgumentError, match=r"`method.peak` must be given"):
        train(bare)
