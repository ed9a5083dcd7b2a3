"""Models of Hugging Face transformers, from tiny configurations: removal without loss, audits, forecasts, flips."""

import copy

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install transformers")

from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError, NeuronDeathError  # noqa: E402
from neurondeath_torch.auditing.audit import audit  # noqa: E402
from neurondeath_torch.auditing.forecast import forecast  # noqa: E402
from neurondeath_torch.initialising.sign_flipping import sign_flip_  # noqa: E402
from neurondeath_torch.surgery.removal import remove_dead_units  # noqa: E402
from neurondeath_torch.surgery.shrunk_models import load_shrunk  # noqa: E402
from neurondeath_torch.watching.monitor import DeadUnitMonitor  # noqa: E402
from tests.torch.test_monitor import seeded  # noqa: E402

IDS = torch.randint(3, 50, (24, 6), generator=torch.Generator().manual_seed(0))
TEXT = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS), "labels": IDS}
CLASSES = {**TEXT, "labels": torch.arange(24) % 4}
IMAGES = {"pixel_values": torch.randn(24, 3, 8, 8, generator=torch.Generator().manual_seed(0))}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "vocab_size": 50}


def gpt2(act):
    config = {"n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_inner": 32, "activation_function": act}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**config, **SPECIAL))


def opt(act):
    config = {"hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 32, "num_attention_heads": 2}
    more = {"max_position_embeddings": 32, "word_embed_proj_dim": 16, "activation_function": act}
    return transformers.OPTForCausalLM(transformers.OPTConfig(**config, **more, **SPECIAL))


def t5(act):
    config = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "feed_forward_proj": act}
    made = transformers.T5Config(**config, **(SPECIAL | {"decoder_start_token_id": 0}))
    return transformers.T5ForConditionalGeneration(made)


def bert(act):
    config = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    more = {"max_position_embeddings": 32, "num_labels": 4, "hidden_act": act}
    return transformers.BertForSequenceClassification(transformers.BertConfig(**config, **more, **SPECIAL))


def vit(act):
    config = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    more = {"image_size": 8, "patch_size": 4, "num_labels": 3, "hidden_act": act}
    return transformers.ViTForImageClassification(transformers.ViTConfig(**config, **more))


MODELS = {
    "gpt2": (gpt2, TEXT, ".c_fc", 2),
    "opt": (opt, TEXT, ".fc1", 2),
    "t5": (t5, TEXT, ".wi", 4),
    "bert": (bert, CLASSES, "intermediate.dense", 2),
    "vit": (vit, IMAGES, ".fc1", 2),
}
SMOOTH = {"gpt2": "gelu_new", "opt": "gelu", "bert": "gelu", "vit": "gelu"}


def built(name, act="relu", seed=0):
    """Build a model, and silence five units in each of its feed-forward layers."""
    build, batch, ending, layers = MODELS[name]
    model = seeded(lambda: build(act), seed).eval()
    found = [module for path, module in model.named_modules() if path.endswith(ending)]
    assert len(found) == layers
    with torch.no_grad():
        for module in found:
            rows = module.weight.T if type(module).__name__ == "Conv1D" else module.weight
            rows[:5] = 0.0
            if getattr(module, "bias", None) is not None:
                module.bias[:5] = -30.0
    return model, batch, layers


def logits(model, batch):
    with torch.no_grad():
        return model(**batch).logits


@pytest.mark.parametrize(("name", "act"), [*((name, "relu") for name in MODELS), *SMOOTH.items()])
def test_dead_feed_forward_units_are_removed_without_loss(name, act):
    model, batch, layers = built(name, act)
    whole, cache = copy.deepcopy(model), model.config.use_cache if hasattr(model.config, "use_cache") else None
    removal = remove_dead_units(model, [batch], certify=True, outputs="logits")
    assert removal.n_removed == 5 * layers
    assert getattr(model.config, "use_cache", None) == cache
    certificate = removal.certificate
    before, after = logits(whole, batch), logits(model, batch)
    gap = float((before - after).abs().max())
    assert gap <= certificate.max_difference + 1e-9
    assert certificate.max_difference <= 1e-6 * certificate.max_output
    assert certificate.parameters == (removal.parameters_before, removal.parameters_after)
    bias = 0 if name == "t5" else 1
    assert removal.parameters_before - removal.parameters_after == 5 * layers * (32 + bias)
    positions = 24 * (5 if name == "vit" else 6)
    old, new = certificate.multiply_adds
    assert old - new == 5 * layers * 32 * positions
    fresh = seeded(lambda: MODELS[name][0](act), 5)
    load_shrunk(fresh, model.state_dict())
    assert torch.equal(logits(fresh.eval(), batch), after)


@pytest.mark.parametrize("name", MODELS)
def test_every_feed_forward_layer_is_audited(name):
    model, batch, layers = built(name)
    result = audit(model, [batch], outputs="logits")
    assert [row.dead for row in result.layers] == [5] * layers
    assert f"{5 * layers} of {32 * layers} units are dead" in result.verdict[0]
    reference = []
    hooks = [
        module.register_forward_hook(lambda _, inputs, out: reference.append((out != 0).flatten(0, -2).sum(0).tolist()))
        for module in model.modules()
        if isinstance(module, torch.nn.ReLU)
    ]
    with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        model(**batch)
    [hook.remove() for hook in hooks]
    assert [one.n_active.tolist() for one in monitor.report().activities][:layers] == reference[:layers]


@pytest.mark.parametrize(("name", "act"), SMOOTH.items())
def test_smooth_activations_are_named(name, act):
    model, batch, _ = built(name, act)
    with pytest.raises(NeuronDeathError, match=r"is zero on no interval, so its units are never dead"):
        audit(model, [batch])


@pytest.mark.parametrize("name", MODELS)
def test_forecasts_and_flips_work_or_are_refused_in_one_line(name):
    model, batch, layers = built(name)
    choose = None if name in ("bert", "vit") else (lambda out: out.logits[:, -1])
    found = forecast(model, [batch], outputs=choose)
    assert found.verdict in ("learns", "slow", "collapsed", "dead")
    assert all("\n" not in one.reason for one in found.remedies)
    refusals = {"gpt2": (InvalidArgumentError, "Conv1D"), "opt": (AssumptionError, "points along axis 0")}
    if name in refusals:
        error, words = refusals[name]
        with pytest.raises(error, match=words) as caught:
            sign_flip_(model, [batch])
        assert "\n" not in str(caught.value)
    else:
        flip = sign_flip_(model, [batch])
        assert len(flip.names) == layers
        assert flip.living_points[-1] >= flip.guaranteed_points[-1]


def test_the_encoding_of_a_tokeniser_is_a_batch():
    model, _, _ = built("bert")
    encoding = transformers.BatchEncoding({"input_ids": IDS, "attention_mask": torch.ones_like(IDS)})
    assert audit(model, [encoding]).n_points == 24
    assert audit(model, [encoding], call=lambda m, batch: m(batch.input_ids)).n_points == 24
