"""A loop that calls a method wrongly is noticed once, in one line; a loop that calls it rightly never is."""

import inspect
import re
import warnings

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.magnitude_pruning import GlobalPruning
from neurondeath_torch.methods.misuse import LoopWatch, MisuseWarning
from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.methods.structured_pruning import StructuredPruning
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping
from neurondeath_torch.methods.training_method import NoMethod, TrainingMethod
from neurondeath_torch.surgery.removal import remove_units
from neurondeath_torch.training.method_building import METHODS
from tests.references.torch_methods import build, points, train

X, Y = points(64, 5), points(64, 2, seed=2)


def model_of(seed=0):
    return build(seed, lambda: nn.Linear(5, 8), nn.ReLU, lambda: nn.Linear(8, 2))


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


class Penalised(TrainingMethod):
    """A method with a penalty that counts its calls."""

    acts_after_steps = True

    def _penalty(self):
        return 0.01 * self._model[0].weight.square().sum()

    @property
    def _penalty_due(self):
        return True


def loop(method, model, optimiser, order, steps=3, set_to_none=True):
    """Train by the calls in `order`: p penalty in the loss, P penalty elsewhere, b backward, s step, a after_step."""
    for step in range(steps):
        optimiser.zero_grad(set_to_none=set_to_none)
        term = torch.zeros(())
        for call in order if isinstance(order, str) else order[step]:
            if call in "pP":
                term = method.penalty() if call == "p" else 0.0 * method.penalty().detach()
            elif call == "b":
                (F.mse_loss(model(X), Y) + term).backward()
            elif call == "s":
                optimiser.step()
            else:
                method.after_step()


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("bsa", "penalty() was not called"),
        ("Pbsa", "in no loss that was differentiated"),
        ("pbas", "before optimiser.step()"),
        ("pbsspbsa", "once in 3 optimiser steps"),
    ],
)
@pytest.mark.parametrize("set_to_none", [True, False])
def test_wrong_calls_are_noticed_once(order, words, set_to_none):
    model = model_of()
    optimiser = sgd(model)
    method = Penalised(model, optimiser)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop(method, model, optimiser, order, set_to_none=set_to_none)
    found = [str(warning.message) for warning in caught]
    assert len(found) == 1
    assert words in found[0]
    assert found[0].startswith("Penalised: ")
    assert "\n" not in found[0]
    assert caught[0].category is MisuseWarning
    assert method.report().misuse == (found[0].removeprefix("Penalised: "),)
    assert "misuse: " in str(method.report())


@pytest.mark.parametrize(
    "order",
    [
        "pbsa",
        "pbpbsa",  # gradients accumulated over two batches
        ["pbsa", "pba", "pbsa"],  # a gradient scaler skipped a step
        ["pba", "pba", "pbsa"],  # and the first ones
    ],
)
@pytest.mark.parametrize("set_to_none", [True, False])
def test_right_calls_are_not(order, set_to_none):
    model = model_of()
    optimiser = sgd(model)
    method = Penalised(model, optimiser)
    loop(method, model, optimiser, order, set_to_none=set_to_none)
    method.after_epoch()
    assert method.report().misuse == ()


def test_a_penalty_without_known_optimiser_is_followed_too():
    model = model_of()
    method = Penalised(model)
    with pytest.warns(MisuseWarning, match="in no loss"):
        loop(method, model, sgd(model), "Pbsa", steps=1)
    with pytest.warns(MisuseWarning, match="not called for a step"):
        loop(method, model, sgd(model), "bsa", steps=1)


def test_after_step_that_is_never_called():
    model = model_of()
    optimiser = sgd(model)
    method = ReDo(model, optimiser, data=X)
    loop(method, model, optimiser, "bs")
    with pytest.warns(MisuseWarning, match="after_step.. was not called in an epoch"):
        method.after_epoch()
    loop(method, model, optimiser, "bsa")
    method.after_epoch()
    assert len(method.report().misuse) == 1


def test_masks_held_by_the_optimiser_need_no_after_step():
    model = model_of()
    optimiser = sgd(model)
    method = GlobalPruning(model, optimiser, every=1)
    loop(method, model, optimiser, "bs")
    method.after_epoch()
    assert method.report().misuse == ()


def test_after_epoch_that_is_never_called_shows_in_the_report():
    for method in (StructuredPruning(model_of(), None, data=X), SynapticStripping(model_of(), data=X)):
        assert method.report().misuse == ()
        method.after_step()
        assert "after_epoch() was not called yet" in str(method.report())
        method.after_epoch()
        assert method.report().misuse == ()
    method = GlobalPruning(model_of())  # its cycles are ended by hand
    method.after_step()
    assert method.report().misuse == ()


def test_an_optimiser_left_behind_by_surgery_is_noticed():
    model = model_of()
    optimiser = sgd(model)
    method = NoMethod(model, optimiser)
    remove_units(model, {"0": [1]}, data=X, optimiser=optimiser)
    method.after_epoch()
    assert method.report().misuse == ()
    remove_units(model, {"0": [1]}, data=X)
    with pytest.warns(MisuseWarning, match="does not hold `0.weight`, which was replaced"):
        method.after_epoch()


def test_a_model_that_shrinks_within_a_cycle_is_one_clear_line():
    model = model_of()
    pruning = GlobalPruning(model)
    remove_units(model, {"0": [1]}, data=X)
    with pytest.raises(InvalidArgumentError, match=r"`model` must keep its tensors during a cycle; got '`0.weight`"):
        pruning.after_cycle()


def test_the_observer_goes_with_its_method():
    model = model_of()
    optimiser = sgd(model)
    hooks = len(optimiser._optimizer_step_post_hooks)
    watch = LoopWatch("method", optimiser)
    assert len(optimiser._optimizer_step_post_hooks) == hooks + 1
    del watch
    assert len(optimiser._optimizer_step_post_hooks) == hooks


@pytest.mark.parametrize("kind", METHODS)
def test_arguments_come_in_one_order(kind):
    parameters = list(inspect.signature(METHODS[kind]).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["model", "optimiser"]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters[2:])
    names = [parameter.name for parameter in parameters[2:]]
    documented = re.findall(
        r"^    (\w+(?:, \w+)*)(?: : .*)?$", inspect.getdoc(METHODS[kind]).replace("\n", "\n    "), re.M
    )
    if "data" in names:
        assert names[0] == "data"
    last = [name for name in ("layers", "initialise", "seed", "min_points", "watch", "call") if name in names]
    assert names[len(names) - len(last) :] == last
    listed = [name for line in documented for name in line.split(", ")]
    assert {"model", "optimiser", *names} <= set(listed)


def test_the_whole_loop_of_the_documentation():
    model = model_of()
    optimiser = sgd(model)
    method = Penalised(model, optimiser)
    train(model, optimiser, method, X, Y, 2)
    assert method.report().misuse == ()
    assert (method.report().steps, method.report().epochs) == (8, 2)
