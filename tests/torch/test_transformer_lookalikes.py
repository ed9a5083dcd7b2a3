"""Small models in the manner of Hugging Face transformers: every tool, and removal with a certificate."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError, NeuronDeathError
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.auditing.forecast import forecast
from neurondeath_torch.initialising.sign_flipping import sign_flip_
from neurondeath_torch.methods.magnitude_pruning import GlobalPruning
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping
from neurondeath_torch.surgery.removal import remove_dead_units
from neurondeath_torch.surgery.resetting import reset_units
from neurondeath_torch.surgery.shrunk_models import load_shrunk
from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.references.transformer_lookalikes import Conv1D, Language, NewGELUActivation, Translator, silence, text
from tests.torch.test_monitor import seeded

BATCHES = [text(16), text(8)]


def built(seed=0, **options):
    model = seeded(lambda: Language(**options), seed).eval()
    silence(model, ".up")
    return model


@pytest.mark.parametrize("kind", ["dict", "tuple", "dataclass", "output"])
@pytest.mark.parametrize("conv1d", [False, True])
def test_dead_feed_forward_units_are_removed_without_loss(kind, conv1d):
    model = built(kind=kind, conv1d=conv1d, tied=True)
    whole = copy.deepcopy(model)
    optimiser = torch.optim.Adam(model.parameters())
    functional.mse_loss(model.blocks[0](torch.randn(2, 4, 8)), torch.zeros(2, 4, 8)).backward()
    optimiser.step()
    whole.load_state_dict(model.state_dict())
    removal = remove_dead_units(model, BATCHES, optimiser=optimiser, certify=True)
    assert removal.n_removed == 10
    assert [tuple(block.up.weight.shape) for block in model.blocks] == [(8, 11) if conv1d else (11, 8)] * 2
    assert [tuple(block.down.weight.shape) for block in model.blocks] == [(11, 8) if conv1d else (8, 11)] * 2
    if conv1d:
        assert (model.blocks[0].up.nf, model.blocks[0].up.nx, model.blocks[0].down.nx) == (11, 8, 11)
    assert model.head.weight is model.tokens.weight
    gaps = []
    with torch.no_grad():
        for batch in BATCHES:
            old, new = whole(batch["input_ids"]), model(batch["input_ids"])
            pick = {"tuple": lambda out: out[0], "dict": lambda out: out["logits"]}.get(kind, lambda out: out.logits)
            gaps.append(float((pick(old) - pick(new)).abs().max()))
    certificate = removal.certificate
    assert max(gaps) <= certificate.max_difference < 1e-6 * certificate.max_output
    assert certificate.n_points == 24
    # a unit has 8 weights in, 8 out and a bias; 16 * 6 tokens pass each of its 16 weights
    assert removal.parameters_before - removal.parameters_after == 10 * 17
    before, after = certificate.multiply_adds
    assert before - after == 10 * 16 * 16 * 6
    state = optimiser.state[model.blocks[0].up.weight]["exp_avg"]
    assert state.shape == model.blocks[0].up.weight.shape
    again = built(seed=3, kind=kind, conv1d=conv1d, tied=True)
    load_shrunk(again, model.state_dict())
    with torch.no_grad():
        one, two = again(BATCHES[0]["input_ids"]), model(BATCHES[0]["input_ids"])
        assert torch.equal(pick(one), pick(two))


def test_units_that_are_not_dead_or_not_read_as_zero_stay():
    model = built(conv1d=True)
    with torch.no_grad():
        model.blocks[0].up.bias[0] = 0.1  # alive at a constant
    removal = remove_dead_units(model, BATCHES)
    assert (removal.n_removed, model.blocks[0].up.nf, model.blocks[1].up.nf) == (9, 12, 11)
    rows = dict(zip(removal.layers, removal.removed, strict=True))
    assert rows["blocks.0.up"].tolist() == [1, 2, 3, 4]


def test_smooth_units_are_removed_where_they_are_exactly_zero():
    model = built(conv1d=True, act=NewGELUActivation)
    with pytest.raises(NeuronDeathError, match=r"NewGELUActivation is zero on no interval"):
        audit(model, BATCHES)
    removal = remove_dead_units(model, BATCHES, certify=True)
    assert removal.n_removed == 10
    assert removal.certificate.max_difference < 1e-6
    model = seeded(lambda: Language(act=NewGELUActivation), 0)
    assert remove_dead_units(model, BATCHES).n_removed == 0


def test_layers_by_pattern():
    model = built()
    assert remove_dead_units(model, BATCHES, layers="blocks.1.*").n_removed == 5
    assert model.blocks[0].up.out_features == 16
    assert remove_dead_units(model, BATCHES, layers=["*.up"]).n_removed == 5
    with pytest.raises(InvalidArgumentError, match=r"`layers` must name layers among blocks\.0.*got 'nothing\*'"):
        remove_dead_units(model, BATCHES, layers="nothing*")
    with pytest.raises(InvalidArgumentError, match="`layers` must be names of layers or patterns"):
        remove_dead_units(model, BATCHES, layers=3)


@pytest.mark.parametrize("conv1d", [False, True])
def test_the_monitor_counts_units_of_both_kinds_alike(conv1d):
    model, twin = built(conv1d=True), built()
    if not conv1d:
        model = twin
    else:
        with torch.no_grad():
            for one, two in zip(model.modules(), twin.modules(), strict=True):
                if isinstance(one, Conv1D):
                    one.weight.copy_(two.weight.T), one.bias.copy_(two.bias)
                elif isinstance(one, (nn.Embedding, nn.LayerNorm)):
                    one.load_state_dict(two.state_dict())
            model.head.load_state_dict(twin.head.state_dict())
    with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        for batch in BATCHES:
            model(**batch)
    report = monitor.report()
    assert [one.layer for one in report.activities] == ["blocks.0.up", "blocks.1.up"]
    assert [one.name for one in report.activities] == ["blocks.0.act", "blocks.1.act"]
    reference = []
    with torch.no_grad():
        hooks = [
            b.act.register_forward_hook(lambda _, i, out: reference.append((out > 0).sum((0, 1)))) for b in twin.blocks
        ]
        for batch in BATCHES:
            twin(**batch)
        [hook.remove() for hook in hooks]
    expected = [reference[0] + reference[2], reference[1] + reference[3]]
    assert [one.n_active.tolist() for one in report.activities] == [one.tolist() for one in expected]
    assert [one.static_dnr for one in report.activities] == [5 / 16, 5 / 16]
    result, other = audit(model, BATCHES), audit(twin, BATCHES)
    for name in ("dead", "q", "sigma_w2", "sigma_b2", "predicted_q", "predicted_sparsity", "living_ratio"):
        mine, theirs = ([getattr(row, name) for row in one.layers] for one in (result, other))
        assert mine == pytest.approx(theirs, rel=1e-5), name


def test_conv1d_is_reset_stripped_and_pruned():
    model = built(conv1d=True)
    done = reset_units(model, {"blocks.0.up": range(5)}, data=BATCHES)
    assert (done.n_reset, done.weights) == (5, (40,))
    assert model.blocks[0].up.weight[:, :5].std().item() == pytest.approx(0.02, rel=0.5)
    assert not model.blocks[0].up.bias[:5].any()
    assert not model.blocks[0].down.weight[:5].any()
    assert model.blocks[0].down.weight[5:].any()
    model = built(conv1d=True)
    with torch.no_grad():
        model.blocks[0].up.weight[:, 0] = -torch.arange(1.0, 9.0)
    stripping = SynapticStripping(model, data=BATCHES, stripping_factor=0.5)
    stripping.after_epoch()
    assert model.blocks[0].up.weight[:, 0].count_nonzero() == 4
    pruning = GlobalPruning(model, share=0.5)
    pruning.after_cycle()
    assert pruning.n_pruned > 0


def test_labels_become_inputs_of_a_decoder():
    model = seeded(Translator, 0).eval()
    silence(model, ".up")
    batches = [{**batch, "labels": batch["input_ids"]} for batch in BATCHES]
    assert [row.dead for row in audit(model, batches).layers] == [5] * 4
    assert remove_dead_units(model, batches, certify=True).certificate.max_difference < 1e-5
    assert model.encoder.blocks[0].up.out_features == model.decoder.blocks[1].up.out_features == 11
    given = [{**batch, "decoder_input_ids": batch["input_ids"]} for batch in BATCHES]
    assert audit(model, given).n_points == 24
    with pytest.raises(ValueError, match="decoder_input_ids"):
        audit(model, BATCHES)


def test_decoder_only_models_are_forecast_and_flipped_or_refused_in_one_line():
    model = seeded(Language, 0)
    with pytest.raises(InvalidArgumentError, match=r"one row of logits.*outputs=lambda out: out\.logits"):
        forecast(model, BATCHES)
    found = forecast(model, BATCHES, outputs=lambda out: out.logits[:, -1])
    assert found.verdict in ("learns", "slow", "collapsed", "dead")
    assert (found.layer, found.n_points) == ("head", 24)
    verdicts = {one.name: one.verdict for one in found.remedies}
    assert verdicts["looks-linear"] == "refused"
    assert verdicts["layer flip"] != "refused"
    assert all("\n" not in one.reason for one in found.remedies)
    flip = sign_flip_(model, BATCHES)
    assert flip.names == ("blocks.0.up", "blocks.1.up")
    assert flip.living_points[-1] >= flip.guaranteed_points[-1]
    for options, error, words in (
        ({"flat": True}, AssumptionError, "points along axis 0; blocks.0.up gives"),
        ({"act": nn.GELU}, InvalidArgumentError, "have a layer whose output goes to a ReLU"),
        ({"conv1d": True}, InvalidArgumentError, "Conv1D"),
    ):
        with pytest.raises(error, match=words) as caught:
            sign_flip_(seeded(lambda options=options: Language(**options), 0), BATCHES)
        assert "\n" not in str(caught.value)


def test_labels_of_a_classifier_are_its_classes():
    model = seeded(lambda: Language(n_classes=3, causal=False), 0)
    ids = text(24)["input_ids"]
    labelled = [{"input_ids": ids, "labels": torch.arange(24) % 3}]
    assert forecast(model, labelled, remedies=False).step_gain == pytest.approx(
        forecast(model, [{"input_ids": ids}], torch.arange(24) % 3, remedies=False).step_gain
    )


def test_attention_whose_values_are_zero_is_kept_and_feed_forward_units_still_go():
    class Values(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))
            self.up, self.down, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 2)
            with torch.no_grad():
                self.v.weight[:3], self.v.bias[:3], self.up.weight[:4], self.up.bias[:4] = 0.0, 0.0, 0.0, -1.0

        def forward(self, x):
            x = x + self.out(functional.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x)))
            return self.head((x + self.down(torch.relu(self.up(x)))).mean(1))

    model, x = seeded(Values, 0), torch.randn(24, 5, 8)
    removal = remove_dead_units(model, x, certify=True)
    assert (removal.n_removed, model.v.out_features, model.up.out_features) == (4, 8, 12)
    assert removal.certificate.max_difference < 1e-6
