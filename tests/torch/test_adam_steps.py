"""Adam's steps for reset weights are those of a new optimiser for new weights."""

import io

import pytest
import torch
from torch import nn

from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.surgery.adam_steps import RESET_STEP, correct_adam_steps
from neurondeath_torch.surgery.optimiser_state import clear_entries
from neurondeath_torch.surgery.removal import remove_units
from tests.references.torch_methods import assert_resumes, build, kill, points

RATE = 0.01
KINDS = {
    "adam": lambda p, **more: torch.optim.Adam(p, lr=RATE, **more),
    "adam, weight decay": lambda p, **more: torch.optim.Adam(p, lr=RATE, weight_decay=0.1, **more),
    "adamw": lambda p, **more: torch.optim.AdamW(p, lr=RATE, weight_decay=0.1, **more),
    "amsgrad": lambda p, **more: torch.optim.Adam(p, lr=RATE, amsgrad=True, **more),
    "maximize": lambda p, **more: torch.optim.Adam(p, lr=RATE, maximize=True, **more),
    "other betas": lambda p, **more: torch.optim.Adam(p, lr=RATE, betas=(0.5, 0.9), eps=1e-3, **more),
}
FORMS = [{"foreach": False}, {"foreach": True}, {"fused": True}]
SHAPE = (4, 3)


def gradient(step, weights):
    """Return a gradient that depends on the step and on the weights, so that errors would add up."""
    return points(*SHAPE, seed=1000 + step) + 0.3 * weights.detach()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_reset_weight_steps_like_a_new_one(kind, form):
    weight, new = nn.Parameter(points(*SHAPE)), nn.Parameter(points(*SHAPE))
    optimiser, fresh = KINDS[kind]([weight], **form), None
    untouched, other = nn.Parameter(points(*SHAPE)), None
    other = KINDS[kind]([untouched], **form)
    rows = torch.tensor([[True], [False], [True], [False]])
    for step in range(80):
        if step == 50:
            start = points(*SHAPE, seed=9)
            with torch.no_grad():
                weight.copy_(torch.where(rows, start, weight))
                new.copy_(start)
            clear_entries(optimiser, weight, rows)
            fresh = KINDS[kind]([new], **form)
        for w, opt in ((weight, optimiser), (untouched, other), (new, fresh)):
            if opt is not None:
                w.grad = gradient(step, w)
                opt.step()
        if step >= 50:
            torch.testing.assert_close(weight[[0, 2]], new[[0, 2]], rtol=1e-5, atol=1e-6)
            assert torch.equal(weight[[1, 3]], untouched[[1, 3]])


def test_without_correction_the_steps_are_six_times_as_large():
    """The reason for the correction, and the power of the test above."""
    steps = {}
    for corrected in (False, True):
        weight = nn.Parameter(torch.zeros(1))
        optimiser = torch.optim.Adam([weight], lr=RATE)
        sizes = []
        for step in range(41):
            if step == 1:
                optimiser.state[weight]["step"].fill_(5000)  # as after a long training
                clear_entries(optimiser, weight, torch.tensor([True]))
                if not corrected:
                    del optimiser.state[weight][RESET_STEP]
            before = weight.item()
            weight.grad = torch.ones(1)
            optimiser.step()
            sizes.append(abs(weight.item() - before) / RATE)
        steps[corrected] = sizes[1:]
    assert max(steps[False]) > 6.0
    assert steps[False][0] == pytest.approx(3.16, abs=0.02)
    assert steps[True] == pytest.approx([1.0] * 40, abs=2e-3)


def test_weights_reset_at_different_steps_have_ages_of_their_own():
    weight = nn.Parameter(torch.zeros(3))
    optimiser = torch.optim.Adam([weight], lr=RATE)
    for step in range(300):
        if step in (100, 107):
            clear_entries(optimiser, weight, torch.tensor([step == 100, True, False]))
        before = weight.detach().clone()
        weight.grad = torch.ones(3)
        optimiser.step()
        torch.testing.assert_close((before - weight.detach()) / RATE, torch.ones(3), rtol=1e-3, atol=1e-3)


def test_a_skipped_step_is_not_corrected():
    weight = nn.Parameter(torch.zeros(2))
    optimiser = torch.optim.Adam([weight], lr=RATE)
    weight.grad = torch.ones(2)
    optimiser.step()
    clear_entries(optimiser, weight, torch.tensor([True, False]))
    optimiser.step()
    weight.grad = None
    before = weight.detach().clone()
    optimiser.step()
    assert torch.equal(weight, before)


def test_the_record_ends_with_the_correction_and_is_not_made_before_the_first_step():
    weight = nn.Parameter(torch.zeros(2))
    optimiser = torch.optim.Adam([weight], lr=RATE, betas=(0.9, 0.5))
    clear_entries(optimiser, weight, torch.tensor([True, False]))
    assert not optimiser.state
    for step in range(60):
        weight.grad = torch.ones(2)
        optimiser.step()
        if step == 10:
            clear_entries(optimiser, weight, torch.tensor([True, False]))
            assert optimiser.state[weight][RESET_STEP].tolist() == [11.0, 0.0]
    assert RESET_STEP not in optimiser.state[weight]


def test_other_optimisers_are_left_alone():
    for make in (torch.optim.SGD, torch.optim.RMSprop, torch.optim.NAdam):
        weight = nn.Parameter(torch.zeros(2))
        optimiser = make([weight], lr=RATE)
        weight.grad = torch.ones(2)
        optimiser.step()
        clear_entries(optimiser, weight, torch.tensor([True, False]))
        correct_adam_steps(optimiser)
        assert RESET_STEP not in optimiser.state[weight]
        optimiser.step()


def test_ages_follow_weights_through_surgery_and_files():
    def perceptron(seed):
        return build(seed, lambda: nn.Linear(5, 8), nn.ReLU, lambda: nn.Linear(8, 2))

    x = points(64, 5)
    model = perceptron(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    redo = ReDo(model, optimiser, data=x, every=4, tau=0.0)
    for step in range(8):
        optimiser.zero_grad()
        model(x).square().mean().backward()
        optimiser.step()
        if step == 3:
            kill(model[0], [3])
        redo.after_step()
    steps = optimiser.state[model[0].weight][RESET_STEP]
    assert (steps[3] == 4).all()
    remove_units(model, {"0": [0]}, data=x, optimiser=optimiser)
    steps = optimiser.state[model[0].weight][RESET_STEP]
    assert steps.shape == (7, 5)
    assert (steps[2] == 4).all()
    file = io.BytesIO()
    torch.save(optimiser.state_dict(), file)
    file.seek(0)
    other = torch.optim.Adam(model.parameters(), lr=RATE)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.state[model[0].weight][RESET_STEP], steps)


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.AdamW])
def test_recycling_with_adam_resumes(make):
    def make_model(seed):
        model = build(seed, lambda: nn.Linear(5, 8), nn.ReLU, lambda: nn.Linear(8, 8), nn.ReLU, lambda: nn.Linear(8, 2))
        kill(model[0], [0, 3])
        return model

    assert_resumes(
        make_model, lambda model: make(model.parameters(), lr=0.02),
        lambda model, optimiser: ReDo(model, optimiser, data=points(64, 5), every=5, tau=0.3),
        points(64, 5), points(64, 2, seed=2), epochs=8, cut=3,
    )  # fmt: skip
