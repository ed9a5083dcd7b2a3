"""AuxK against the formulas of its paper, written out sample by sample, and what it does to dead latents."""

import copy

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.auxiliary_reconstruction import AuxK, auxiliary_loss
from neurondeath_torch.methods.misuse import MisuseWarning
from tests.references.torch_methods import build, points

INPUTS, LATENTS = 6, 20
X = points(48, INPUTS)


class TopK(nn.Module):
    """The k largest latents of each sample, rectified."""

    def forward(self, z):
        values, places = z.topk(4, dim=-1)
        return torch.zeros_like(z).scatter(-1, places, values.relu())


def autoencoder(seed=0, dead=()):
    model = build(seed, lambda: nn.Linear(INPUTS, LATENTS), TopK, lambda: nn.Linear(LATENTS, INPUTS))
    with torch.no_grad():
        model[0].bias[list(dead)] = -3.0
    return model


def method_of(model, optimiser=None, **options):
    return AuxK(model, optimiser, encoder="0", decoder="2", **{"dead_after": 100, "k": 3, **options})


def loss_by_hand(model, x, dead, k, normalised):
    """Reconstruct the error of each sample by its k largest dead latents."""
    with torch.no_grad():
        error = x - model(x)
        squares = 0.0
        for sample, e in zip(model[0](x), error, strict=True):
            chosen = sorted(dead, key=lambda unit: -float(sample[unit]))[:k]
            guess = sum(max(float(sample[unit]), 0.0) * model[2].weight[:, unit] for unit in chosen)
            squares += float(((e - guess) ** 2).sum())
        loss = squares / error.numel()
        spread = float(((error - error.mean(0)) ** 2).sum()) / error.numel()
    return loss / spread if normalised else loss


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("k", [1, 3, 50])
def test_the_loss_is_that_of_the_paper(normalised, k):
    dead = [1, 4, 7, 11]
    model = autoencoder()
    with torch.no_grad():
        error, before = X - model(X), model[0](X)
    flags = torch.zeros(LATENTS, dtype=torch.bool)
    flags[dead] = True
    found = auxiliary_loss(error, before, model[2].weight, flags, k, normalised=normalised)
    assert found.item() == pytest.approx(loss_by_hand(model, X, dead, k, normalised), rel=1e-5)


def test_latents_die_by_the_samples_they_were_silent_for():
    model = autoencoder(dead=[2, 5])
    auxk = method_of(model, dead_after=100)
    silent = torch.zeros(LATENTS, dtype=torch.int64)
    for number in range(4):
        x = points(30, INPUTS, seed=number)
        fired = (model[1](model[0](x)) != 0).any(0)
        (model.train()(x).mean() + auxk.penalty()).backward()
        silent = torch.where(fired, 0, silent + 30)
        assert torch.equal(auxk._silent, silent)
        auxk.after_step()
    assert {2, 5} <= set((silent >= 100).nonzero().flatten().tolist())
    assert auxk.n_dead == int((silent >= 100).sum())
    model.eval()(X)
    with torch.no_grad():
        model.train()(X)
    assert torch.equal(auxk._silent, silent)


def test_the_penalty_is_the_loss_of_the_last_batch_and_moves_dead_latents_only():
    model = autoencoder(dead=[2, 5])
    auxk = method_of(model, coefficient=0.5, dead_after=1)
    assert auxk.penalty().item() == 0.0
    output = model(X)
    dead = (auxk._silent >= 1).nonzero().flatten().tolist()
    assert {2, 5} <= set(dead) != set(range(LATENTS))
    assert auxk.penalty().item() == pytest.approx(0.5 * loss_by_hand(model, X, dead, 3, True), rel=1e-5)
    auxk.penalty().backward()
    alive = [unit for unit in range(LATENTS) if unit not in dead]
    assert not model[0].weight.grad[alive].any()
    assert not model[2].weight.grad[:, alive].any()
    assert model[2].bias.grad is None
    assert output.requires_grad


@pytest.mark.parametrize("make", [lambda p: torch.optim.SGD(p, lr=0.05), lambda p: torch.optim.Adam(p, lr=3e-3)])
def test_it_revives_dead_latents_that_stay_dead_without_it(make):
    left = []
    for coefficient in (0.0, 1.0):
        model = autoencoder(dead=range(10))
        with torch.no_grad():
            model[0].bias[:10] = -0.4
        optimiser = make(model.parameters())
        auxk = method_of(model, optimiser, coefficient=coefficient, dead_after=96, k=8)
        for number in range(300):
            x = points(48, INPUTS, seed=number % 50)
            optimiser.zero_grad()
            ((model(x) - x).square().mean() + auxk.penalty()).backward()
            optimiser.step()
            auxk.after_step()
        left.append(auxk.n_dead)
        assert auxk.report().misuse == ()
    assert left[1] < left[0]


@pytest.mark.parametrize("make", [lambda p: torch.optim.SGD(p, lr=0.05), lambda p: torch.optim.AdamW(p, lr=3e-3)])
def test_resuming_equals_no_interruption(make):
    def trained(cut):
        model = autoencoder(dead=range(6))
        optimiser = make(model.parameters())
        auxk = method_of(model, optimiser, coefficient=1.0, dead_after=90)
        for number in range(20):
            if number == cut:
                saved = copy.deepcopy((model.state_dict(), optimiser.state_dict(), auxk.state_dict()))
                model = autoencoder(9)
                optimiser = make(model.parameters())
                auxk = method_of(model, optimiser, coefficient=1.0, dead_after=90)
                for part, state in zip((model, optimiser, auxk), saved, strict=True):
                    part.load_state_dict(state)
            x = points(30, INPUTS, seed=number)
            optimiser.zero_grad()
            ((model(x) - x).square().mean() + auxk.penalty()).backward()
            optimiser.step()
            auxk.after_step()
        return model, auxk

    (whole, one), (resumed, other) = trained(None), trained(7)
    for left, right in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(left, right)
    assert torch.equal(one._silent, other._silent)
    assert one.n_dead > 0


def test_misuse_and_bad_input_are_one_clear_line():
    model = autoencoder(dead=[2, 5])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    auxk = method_of(model, optimiser, dead_after=1)
    model(X).square().mean().backward()
    optimiser.step()
    with pytest.warns(MisuseWarning, match="penalty.. was not called"):
        auxk.after_step()
    with pytest.warns(MisuseWarning, match="call model.train"):
        auxk.after_step()
    copied = copy.deepcopy(model)
    silent = auxk._silent.clone()
    copied(X)
    assert torch.equal(auxk._silent, silent)
    swapped = build(0, lambda: nn.Linear(INPUTS, LATENTS), nn.ReLU, lambda: nn.Linear(LATENTS, 3))
    cases = [
        (lambda: AuxK(model, encoder="1", decoder="2"), "`encoder` must name a linear layer"),
        (lambda: AuxK(model, encoder="0", decoder="9"), "`decoder` must name a linear layer"),
        (lambda: AuxK(swapped, encoder="0", decoder="2"), "20 latents"),
        (lambda: method_of(model, k=0), "k"),
        (lambda: method_of(model, coefficient=-1.0), "coefficient"),
        (lambda: method_of(model, dead_after=0), "dead_after"),
        (lambda: method_of(model, normalised=1), "normalised"),
        (lambda: method_of(model).load_state_dict({**auxk.state_dict(), "silent": torch.zeros(3)}), "20 latents"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value), caught.value
        assert "\n" not in str(caught.value)
