"""Tensors are made where the model is: with another default device, what is made without one does not fit.

No second device is at hand, so the default device is `meta` here while models and data are on the CPU: a tensor that is
made without a device then holds no numbers, and any operation with the model's own tensors fails, as it would for a
model on an accelerator with the default on the CPU. What belongs on the CPU whatever the model has to ask for it.
"""

import copy

import pytest
import torch
from torch import nn

from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.networks.activations import relu
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.auditing.forecast import forecast
from neurondeath_torch.initialising.initialisation import edge_of_chaos_, he_, rai_
from neurondeath_torch.initialising.looks_linear import looks_linear_
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.initialising.sign_flipping import sign_flip_
from neurondeath_torch.methods.demon_pruning import DemonPruning
from neurondeath_torch.methods.magnitude_pruning import GlobalPruning
from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.methods.structured_pruning import StructuredPruning
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping
from neurondeath_torch.networks.activations import from_theory
from neurondeath_torch.networks.critical_residual import CriticalResidual
from neurondeath_torch.reporting.unit_watch import UnitWatch
from neurondeath_torch.surgery.removal import remove_dead_units, remove_units
from neurondeath_torch.surgery.resetting import reset_units
from neurondeath_torch.surgery.shrunk_models import load_shrunk
from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.references.transformer_lookalikes import Language, silence, text
from tests.torch.test_monitor import points, seeded

X, Y = points(64, 6), torch.arange(64) % 3
DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)


def mlp():
    model = nn.Sequential(
        *[nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU()],
        nn.Linear(8, 3),
    )
    with torch.no_grad():
        model[1].bias[:2] = -9.0
    return model.eval()


def chain():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def stream():
    return CriticalResidual(8, 5, DESIGN, in_features=6, out_features=3, normalise="layers")


def watched(model):
    with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        model(X)
        model(X[:9])
    state = monitor.state_dict()
    monitor.load_state_dict(state)
    return monitor.report()


def logged(model):
    with UnitWatch(model.train(), every=1, on_alarm=lambda _: None) as watch:
        model(X).sum().backward()
        return watch.step()


def trained(make):
    def run(model):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
        method = make(model, optimiser)
        for _ in range(2):
            (model(X).square().mean() + method.penalty()).backward()
            optimiser.step()
            method.after_step()
        method.after_epoch()
        return method.report()

    return run


def loaded(model):
    smaller = copy.deepcopy(model)
    remove_dead_units(smaller, X)
    load_shrunk(model, smaller.state_dict())
    return model(X)


TOOLS = {
    "monitor": (mlp, watched),
    "watch": (mlp, logged),
    "audit": (mlp, lambda model: audit(model, X)),
    "audit in training mode": (mlp, lambda model: audit(model, X, mode="train")),
    "audit of a stream": (stream, lambda model: audit(model, X)),
    "forecast": (mlp, lambda model: forecast(model, X, Y)),
    "forecast without classes": (chain, lambda model: forecast(model, X)),
    "removal": (mlp, lambda model: remove_dead_units(model, X, certify=True)),
    "removal by name": (mlp, lambda model: remove_units(model, {"3": [0]}, data=X)),
    "loading": (mlp, loaded),
    "reset": (mlp, lambda model: reset_units(model, {"0": [0], "3": [1]}, data=X)),
    "layer flip": (mlp, lambda model: sign_flip_(model, X, mode="layer")),
    "neuron flip in parts": (chain, lambda model: sign_flip_(model, X, batch_size=20)),
    "he": (chain, lambda model: he_(model, generator=0)),
    "rai": (chain, lambda model: rai_(model, generator=0)),
    "edge of chaos": (chain, lambda model: edge_of_chaos_(model, relu(), first_layer_data=X, generator=0)),
    "looks-linear": (chain, lambda model: looks_linear_(model, generator=0)),
    "residual": (chain, lambda model: residual_(model, 1.0, generator=0)),
    "residual by data": (
        chain,
        lambda model: residual_(model, 1.0, normalise="data", first_layer_data=X, generator=0),
    ),
    "stream": (stream, lambda model: model.train()(X).sum().backward()),
    "sparse activation": (lambda: from_theory(DESIGN.activation), lambda model: model(X)),
    "stripping": (mlp, trained(lambda model, _: SynapticStripping(model, data=X))),
    "demon": (mlp, trained(lambda m, o: DemonPruning(m, o, data=X, steps=4, peak=0.1, remove_every=1))),
    "redo": (chain, trained(lambda model, optimiser: ReDo(model, optimiser, data=X, every=1))),
    "pruning": (mlp, trained(lambda model, _: GlobalPruning(model, every=1))),
    "structured pruning": (mlp, trained(lambda model, _: StructuredPruning(model, None, data=X))),
}


@pytest.mark.parametrize("name", TOOLS)
def test_tensors_are_made_on_the_devices_of_the_model(name):
    build, tool = TOOLS[name]
    model = seeded(build, 0)
    with torch.device("meta"):
        tool(model)
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
    assert all(buffer.device.type == "cpu" for buffer in model.buffers())


def test_models_of_transformers_too():
    model = seeded(lambda: Language("tuple", conv1d=True), 0).eval()
    silence(model, ".up")
    batch = text(24)
    forward = Language.forward

    def run(own, given):
        with torch.device("cpu"):  # the look-alike makes its own tensors where it is asked to
            return forward(own, **given)

    with torch.device("meta"):
        assert remove_dead_units(model, [batch]).n_removed == 10
        reset_units(model, {"blocks.0.up": [0]}, data=[batch])
    assert run(model, batch)[0].device.type == "cpu"


def test_the_trick_finds_a_tensor_without_a_device():
    class Careless(nn.Module):
        def forward(self, x):
            return x + torch.ones(1)

    with torch.device("meta"), pytest.raises(RuntimeError, match="device"):
        Careless()(X).sum().item()
