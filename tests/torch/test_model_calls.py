"""How a model is called and which of its results count: `call` and `outputs` in every tool that runs one."""

import copy

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_theory.networks.activations import relu
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.auditing.forecast import forecast
from neurondeath_torch.initialising.initialisation import edge_of_chaos_
from neurondeath_torch.initialising.looks_linear import looks_linear_
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.initialising.sign_flipping import sign_flip_
from neurondeath_torch.methods.demon_pruning import DemonPruning
from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.methods.structured_pruning import StructuredPruning
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping
from neurondeath_torch.networks.called_batches import batch_tensors
from neurondeath_torch.networks.data_passes import call as run_batch
from neurondeath_torch.networks.input_data import input_batches, joined_inputs, n_points, split_points
from neurondeath_torch.networks.model_calls import called, chosen_outputs
from neurondeath_torch.surgery.removal import remove_dead_units, remove_units
from neurondeath_torch.surgery.resetting import reset_units
from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.references.transformer_lookalikes import DataOutput, ModelOutput
from tests.torch.test_monitor import points, seeded


class Plain(nn.Module):
    """A perceptron; unit 0 of its first layer is dead."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        with torch.no_grad():
            self.a.weight[0], self.a.bias[0] = 0.0, -1.0
            self.b.bias += 0.5

    def forward(self, x):
        return self.c(torch.relu(self.b(torch.relu(self.a(x)))))


class Masked(nn.Module):
    """The same behind another signature: two arguments, and outputs in a dict."""

    def __init__(self, plain):
        super().__init__()
        self.plain = plain

    def forward(self, x, mask):
        return {"mask": mask, "logits": self.plain(x * mask)}


X = points(40, 4)
MASK = torch.ones(40, 1)
Y = torch.arange(40) % 3


def call(model, batch):
    x, rest = batch
    return model(x, rest["mask"])


def data():
    return [((X[:25], {"mask": MASK[:25], "name": "first"})), (X[25:], {"mask": MASK[25:], "name": "second"})]


def joinable():
    return [(X[:25], {"mask": MASK[:25]}), (X[25:], {"mask": MASK[25:]})]


def pair():
    plain = seeded(Plain, 0)
    return plain, Masked(copy.deepcopy(plain))


def test_an_audit_and_a_monitor_count_the_same():
    plain, masked = pair()
    expected = audit(plain, [X[:25], X[25:]])
    found = audit(masked, data(), call=call, outputs="logits")
    assert [row.dead for row in found.layers] == [row.dead for row in expected.layers] == [1, 0]
    assert found.n_points == 40
    assert [row.q for row in found.layers] == pytest.approx([row.q for row in expected.layers])
    with pytest.raises(TypeError):
        audit(masked, data())


def test_only_the_chosen_outputs_are_compared_between_points():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 3)

        def forward(self, x):
            h = torch.relu(self.a(x))
            return {"constant": h * 0.0, "logits": h}

    model, verdicts = seeded(Two, 0), {}
    choices = (None, "constant", "logits", lambda out: out["constant"])
    for number, name in enumerate(choices):
        with torch.no_grad(), DeadUnitMonitor(model, outputs=name) as monitor:
            model(X)
        verdicts[number] = monitor.report().constant_outputs
    assert list(verdicts.values()) == [False, True, False, True]
    with (
        torch.no_grad(),
        pytest.raises(InvalidArgumentError, match=r"`outputs` must name an entry.*got 1; .*constant, logits"),
        DeadUnitMonitor(model, outputs=1),
    ):
        model(X)
    assert audit(model, X, outputs="constant").verdict[0].startswith("The outputs are the same")


@pytest.mark.parametrize("certify", [False, True])
def test_removal_is_the_same_and_certified(certify):
    plain, masked = pair()
    expected = remove_dead_units(plain, X)
    with torch.no_grad():
        before = masked(X, MASK)["logits"].clone()
    found = remove_dead_units(masked, data(), call=call, outputs="logits", certify=certify)
    assert [units.tolist() for units in found.removed] == [units.tolist() for units in expected.removed]
    assert masked.plain.a.out_features == 5
    with torch.no_grad():
        change = (masked(X, MASK)["logits"] - before).abs().max().item()
    assert change < 1e-6
    if certify:
        certificate = found.certificate
        assert certificate.max_difference == change  # over all the data, of the chosen outputs
        assert certificate.max_output == before.abs().max().item()
        assert (certificate.n_points, certificate.n_batches, certificate.first_batch) == (40, 2, 25)
        assert certificate.parameters == (found.parameters_before, found.parameters_after)
        assert certificate.bytes == tuple(4 * count for count in certificate.parameters)
        assert certificate.multiply_adds == (25 * (24 + 36 + 18), 25 * (20 + 30 + 18))
        assert min(certificate.seconds) > 0.0
        assert "differ by at most" in str(found)
    else:
        assert found.certificate is None


def test_surgery_by_name_and_resets():
    _, masked = pair()
    assert remove_units(masked, {"plain.b": [1]}, data=data(), call=call).n_removed == 1
    assert reset_units(masked, {"plain.a": [0]}, data=data(), call=call).n_reset == 1
    assert bool(masked.plain.a.weight[0].any())


def test_methods_read_their_data_by_call():
    def optimiser(model):
        return torch.optim.SGD(model.parameters(), lr=0.1)

    _, masked = pair()
    redo = ReDo(masked, optimiser(masked), data=data(), every=1, tau=0.0, call=call)
    redo.after_step()
    assert redo.report().events[0].units == 1
    _, masked = pair()
    masked.plain.a.weight.data[0] = -1.0
    masked.plain.a.bias.data[0] = -50.0
    stripping = SynapticStripping(masked, data=data(), call=call)
    stripping.after_epoch()
    assert stripping.report().events[0].units == 1
    _, masked = pair()
    demon = DemonPruning(
        masked, optimiser(masked), data=data(), steps=3, peak=0.1, remove_every=1, penalise="weights", call=call
    )
    demon.after_step()
    assert masked.plain.a.out_features == 5
    pruning = StructuredPruning(masked, None, data=data(), share=0.2, call=call)
    pruning.after_epoch()
    assert masked.plain.a.out_features + masked.plain.b.out_features < 11


def test_remedies_and_forecasts():
    plain, masked = pair()
    assert (
        str(sign_flip_(masked, joinable(), call=call)).partition(";")[0] == str(sign_flip_(plain, X)).partition(";")[0]
    )
    assert torch.equal(masked.plain.a.weight, plain.a.weight)
    with pytest.raises(InvalidArgumentError, match="the same value in all batches"):
        sign_flip_(masked, data(), call=call)

    def chain(model, batch):
        return model.plain(batch[0])

    for apply in (
        lambda model, **how: looks_linear_(model, generator=0, **how),
        lambda model, **how: residual_(model, 1.0, generator=0, **how),
        lambda model, **how: edge_of_chaos_(model, relu(), generator=0, **how),
    ):
        plain, masked = pair()
        apply(masked, first_layer_data=joinable(), call=chain)
        apply(plain, first_layer_data=X)
        assert torch.equal(masked.plain.b.weight, plain.b.weight)
    plain, masked = pair()
    expected = forecast(plain, X, Y, remedies=True)
    found = forecast(masked, joinable(), Y, call=call, outputs="logits")
    assert (found.score, found.usable_rate) == (expected.score, expected.usable_rate)
    assert {one.name: one.verdict for one in found.remedies}["he"] != "refused"
    with pytest.raises(InvalidArgumentError, match="one row of logits"):
        forecast(masked, joinable(), call=call, outputs=lambda out: out["logits"].unsqueeze(1))


@pytest.mark.parametrize(
    ("outputs", "value", "found"),
    [
        (None, (1, 2), (1, 2)),
        ("logits", {"logits": 5}, 5),
        ("logits", ModelOutput(loss=1, logits=5), 5),
        ("logits", DataOutput(5), 5),
        (1, ModelOutput(loss=1, logits=5), 5),
        (-1, (1, 5), 5),
        (lambda out: out[0], (5, 1), 5),
    ],
)
def test_outputs_are_chosen(outputs, value, found):
    assert chosen_outputs(outputs)(value) == found


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"logits": 1}, "it returns logits"),
        ((1, 2), "2 entries"),
        (torch.ones(2), "it returns Tensor"),
        (None, "NoneType"),
    ],
)
def test_an_entry_that_is_not_there(value, words):
    with pytest.raises(InvalidArgumentError, match="`outputs` must name an entry") as caught:
        chosen_outputs("loss")(value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [True, 1.5, [], b"logits"])
def test_bad_choices_are_one_line(wrong):
    with pytest.raises(InvalidArgumentError, match=r"^`outputs` must be the name or number"):
        chosen_outputs(wrong)
    with pytest.raises(InvalidArgumentError, match=r"^`outputs` must be the name or number"):
        DeadUnitMonitor(Plain(), outputs=wrong)
    with pytest.raises(InvalidArgumentError, match=r"^`call` must be a function"):
        remove_dead_units(Plain(), X, call=wrong)


def test_batches_of_every_form_are_joined_and_split():
    batches = [{"a": X[:9], "b": [MASK[:9], "same"]}, {"a": X[9:], "b": [MASK[9:], "same"]}]
    whole = joined_inputs("data", called(None, batches, lambda model, batch: batch))
    assert n_points(whole) == 40
    assert torch.equal(whole.batch["a"], X)
    parts = split_points(whole, 16)
    assert [n_points(part) for part in parts] == [16, 16, 8]
    assert torch.equal(torch.cat([part.batch["b"][0] for part in parts]), MASK)
    assert run_batch(Plain(), parts[0])["b"][1] == "same"
    for wrong, words in (
        ([{"a": X}, {"b": X}], "the same keys"),
        ([(X,), (X, X)], "the same number of entries"),
        ([(X,), [X]], "one structure"),
        ([(X, Y[:3])], "the same number of points"),
        ([("text",)], "hold tensors"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            joined_inputs("data", called(None, wrong, lambda model, batch: batch))


def test_generators_are_read_where_one_reading_is_enough():
    _, masked = pair()
    assert audit(masked, iter(data()), call=call).n_points == 40
    with pytest.raises(InvalidArgumentError, match="readable more than once"):
        remove_dead_units(masked, iter(data()), call=call)
    with pytest.raises(InvalidArgumentError, match="at least one batch"):
        remove_dead_units(masked, [], call=call)
    with pytest.raises(InvalidArgumentError, match="a tensor or an iterable"):
        audit(masked, 3, call=call)
    with pytest.raises(NeuronDeathError, match="saw no forward pass"):
        audit(masked, data(), call=lambda model, batch: None)
    assert next(iter(input_batches([X]))) is X
    assert batch_tensors(("text", None)) == []
