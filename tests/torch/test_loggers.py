"""Callbacks and writers with the real Lightning, Trainer of transformers, TensorBoard and Weights & Biases."""

import glob
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from neurondeath_torch.reporting.callbacks import lightning_callback, trainer_callback
from neurondeath_torch.reporting.unit_watch import UnitWatch
from neurondeath_torch.reporting.writers import TensorBoardWriter, WandbWriter
from tests.torch.test_monitor import seeded
from tests.torch.test_unit_watch import Memory, Net, X, kill

Y = X.sum(1, keepdim=True)


def wanted(name):
    """Import a package, whatever it warns of, or skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed: pip install {name}")


@pytest.mark.filterwarnings("ignore")
def test_lightning(tmp_path):
    lightning = wanted("lightning")
    calls = {"training": 0}

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = seeded(Net, 0)
            kill(self.net, 4)

        def training_step(self, batch, _):
            calls["training"] += 1
            return nn.functional.mse_loss(self.net(batch[0]), batch[1])

        def validation_step(self, batch, _):
            self.net(batch[0])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    loader = DataLoader(TensorDataset(X, Y), batch_size=8)
    logger = lightning.pytorch.loggers.CSVLogger(tmp_path)
    alarms = []
    callback = lightning_callback(every=2, expected_dead=0.25, on_alarm=alarms.append)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=logger,
        callbacks=[callback],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
    )
    module = Module()
    trainer.fit(module, loader, loader)
    logger.save()
    assert calls["training"] == 8
    (written,) = glob.glob(f"{tmp_path}/**/metrics.csv", recursive=True)
    head, *rows = Path(written).read_text().splitlines()
    place, step = head.split(",").index("neurondeath/act/dead"), head.split(",").index("step")
    assert [(row.split(",")[step], row.split(",")[place]) for row in rows] == [(n, "4.0") for n in "2468"]
    assert callback.watch.report.activities[0].n_samples == 16  # of two training batches, without validation
    assert [alarm.step for alarm in alarms if alarm.activation == "act"] == [2]
    assert not [hook for part in module.net.modules() for hook in part._forward_hooks]


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_of_transformers(tmp_path):
    transformers = wanted("transformers")
    wanted("accelerate")

    class Labelled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = seeded(Net, 0)
            kill(self.net, 4)

        def forward(self, x, labels=None):
            out = self.net(x)
            return {"loss": nn.functional.mse_loss(out, labels), "logits": out}

    rows = [{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)]
    memory = Memory()
    callback = trainer_callback(every=2, writers=[memory], on_alarm=lambda _: None)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=4,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=8,
        eval_strategy="steps",
        eval_steps=1,
        learning_rate=0.0,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=Labelled(), args=arguments, train_dataset=rows, eval_dataset=rows[:8], callbacks=[callback]
    )
    trainer.train()
    assert [step for step, _ in memory.values] == [2, 4]
    assert [values["neurondeath/net.act/dead"] for _, values in memory.values] == [4.0, 4.0]
    assert {one.activation for one in memory.alarms if one.kind == "dead"} >= {"net.act"}
    logged = [entry for entry in trainer.state.log_history if "neurondeath/dead" in entry]
    assert [entry["step"] for entry in logged] == [2, 4]
    assert callback.watch.report.activities[0].n_samples == 16


@pytest.mark.filterwarnings("ignore")
def test_tensorboard(tmp_path):
    wanted("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    writer = TensorBoardWriter(str(tmp_path))
    model = seeded(Net, 0)
    kill(model, 4)
    with UnitWatch(model, every=2, writers=[writer], on_alarm=lambda _: None) as watch:
        for _ in range(4):
            model(X)
            numbers = watch.step()
    writer.writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(one.step, one.value) for one in events.Scalars("neurondeath/act/dead")] == [(2, 4.0), (4, 4.0)]
    assert set(events.Tags()["scalars"]) == set(numbers)
    (tag,) = [name for name in events.Tags()["tensors"] if name.startswith("neurondeath/alarms")]
    assert b"4 of 8 units" in b"".join(events.Tensors(tag)[0].tensor_proto.string_val)


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases(tmp_path, monkeypatch):
    wandb = wanted("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    model = seeded(Net, 0)
    kill(model, 4)
    with wandb.init(project="units", dir=str(tmp_path), mode="offline") as run:
        with UnitWatch(model, every=1, writers=[WandbWriter()], on_alarm=lambda _: None) as watch:
            model(X)
            watch.step(5)
        assert run.summary["neurondeath/act/dead"] == 4.0
        assert run.summary["neurondeath/step"] == 5
    assert glob.glob(f"{tmp_path}/wandb/offline-run-*/*.wandb")
