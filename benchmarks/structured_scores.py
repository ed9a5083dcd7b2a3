"""What each score of structured pruning is worth: accuracy of small networks after half their units are removed.

    python benchmarks/structured_scores.py [--seeds N] [--json PATH]

A residual network with batch norm and a perceptron without are trained on scikit-learn's digits, lose half of their
hidden units by each score and by Torch-Pruning's own importances (in the same selection), and train on for two epochs.
Test accuracy before the removal, right after it and after these epochs, mean over the seeds with its standard error.
"""

import argparse
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its conventional name
import torch_pruning
from torch import nn

from neurondeath_torch.methods.pruning_rules import lowest_units
from neurondeath_torch.methods.structured_pruning import StructuredPruning
from neurondeath_torch.surgery.removal import remove_units
from neurondeath_torch.surgery.unit_coupling import CouplingGraph
from neurondeath_torch.training.batches import epoch_batches
from neurondeath_torch.training.labelled_data import LabelledData, load_labelled_data
from neurondeath_torch.training.models import perceptron, residual_network

EPOCHS, FURTHER = 8, 2
SHARE = 0.5
BATCH_NORM = [nn.modules.batchnorm._BatchNorm]

MODELS: dict[str, Callable[[], nn.Module]] = {
    "residual, batch norm": lambda: residual_network((1, 8, 8), 10, width=12),
    "perceptron": lambda: perceptron((1, 8, 8), 10, width=48, depth=2),
}
OURS = ("scale", "weights", "group", "taylor", "random")
THEIRS: dict[str, Callable[[], Any]] = {
    "Torch-Pruning BNScale": torch_pruning.importance.BNScaleImportance,
    "Torch-Pruning GroupMagnitude": torch_pruning.importance.GroupMagnitudeImportance,
    "Torch-Pruning GroupTaylor": torch_pruning.importance.GroupTaylorImportance,
}


def train(model: nn.Module, data: LabelledData, epochs: range, seed: int) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model.train()
    for epoch in epochs:
        for images, classes in epoch_batches(data.train, 64, seed=seed, epoch=epoch, shift=False, mirror=False):
            optimiser.zero_grad()
            F.cross_entropy(model(images), classes).backward()
            optimiser.step()


def accuracy(model: nn.Module, data: LabelledData) -> float:
    model.eval()
    with torch.no_grad():
        return float((model(data.test.images).argmax(1) == data.test.classes).double().mean())


def prune_by_ours(model: nn.Module, data: LabelledData, score: str, seed: int) -> None:
    images, classes = data.train.images[:512], data.train.classes[:512]
    StructuredPruning(
        model,
        None,
        data=images,
        share=SHARE,
        score=score,
        seed=seed,
        loss=lambda: F.cross_entropy(model(images), classes),
    ).remove()


def prune_by_theirs(model: nn.Module, data: LabelledData, importance: Any) -> bool:
    """Select units by an importance of Torch-Pruning; False if it scores no layer of the model."""
    images, classes = data.train.images[:512], data.train.classes[:512]
    F.cross_entropy(model.eval()(images), classes).backward()
    graph = torch_pruning.DependencyGraph().build_dependency(model, images[:2], verbose=False)
    couplings = [c for c in CouplingGraph(model, images[:2]).couplings() if not c.obstacle]
    scores = []
    for coupling in couplings:
        layer = model.get_submodule(coupling.layer)
        prune = graph.get_pruner_of_module(layer).prune_out_channels
        found = importance(graph.get_pruning_group(layer, prune, list(range(coupling.n_units))))
        if found is None:
            return False
        scores.append(found.detach().double().numpy())
    chosen = lowest_units(scores, round(SHARE * sum(len(score) for score in scores)))
    for parameter in model.parameters():
        parameter.grad = None
    units = {coupling.layer: flags for coupling, flags in zip(couplings, chosen, strict=True)}
    remove_units(model, units, data=images)
    return True


def measure(name: str, seeds: int) -> dict[str, dict[str, list[float]]]:
    data = load_labelled_data("digits")
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        torch.manual_seed(seed)
        whole = MODELS[name]()
        train(whole, data, range(EPOCHS), seed)
        before = accuracy(whole, data)
        for score in (*OURS, *THEIRS):
            model = copy.deepcopy(whole)
            if score in THEIRS:
                if not prune_by_theirs(model, data, THEIRS[score]()):
                    continue
            else:
                prune_by_ours(model, data, score, seed)
            row = rows.setdefault(score, {"before": [], "pruned": [], "trained on": []})
            row["before"].append(before)
            row["pruned"].append(accuracy(model, data))
            train(model, data, range(EPOCHS, EPOCHS + FURTHER), seed)
            row["trained on"].append(accuracy(model, data))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {}
    for name in MODELS:
        rows = results[name] = measure(name, arguments.seeds)
        print(f"{name}\n  {'score':30}{'before':>16}{'pruned':>16}{'trained on':>16}")
        for score, row in rows.items():
            cells = [f"{np.mean(v):.3f} +- {np.std(v, ddof=1) / np.sqrt(len(v)):.3f}" for v in row.values()]
            print(f"  {score:30}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
