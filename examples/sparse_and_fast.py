"""A sparse deep network from its design to fast inference: 85 % zeros in every layer, trained, saved, and run.

The network is trained on scikit-learn's digits; its layers read a normalised stream, which holds the share of zeros.
The file that is written runs anywhere, without PyTorch: `neurondeath.load_sparse(FILE)`. Needs the extra `torch`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import neurondeath as nd


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = epochs * -(-len(images) // 50)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(epochs):
        for picked in torch.randperm(len(images)).split(50):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[picked]), labels[picked]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=200)
    parser.add_argument("--depth", type=int, default=40)
    parser.add_argument("--sparsity", type=float, default=0.85)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("digits.sparse"))
    arguments = parser.parse_args()
    torch.manual_seed(0)
    data = load_digits()
    images = torch.tensor(data.data, dtype=torch.float32) / 16
    images, labels = images - images.mean(0), torch.tensor(data.target)
    order = torch.randperm(len(images))
    seen, unseen = order[:1400], order[1400:]

    design = nd.sparse_design("clipped-shifted-relu", arguments.sparsity, v_prime=0.7)
    print(design.verdict)
    model = nd.CriticalResidual(
        arguments.width, arguments.depth, design, in_features=64, out_features=10, normalise="layers"
    )
    train(model, images[seen], labels[seen], arguments.epochs)
    model.eval()
    with nd.DeadUnitMonitor(model) as monitor, torch.no_grad():
        expected = model(images[unseen])
    zeros = [activity.sparsity for activity in monitor.report().activities]
    print(f"zeros of a layer: {min(zeros):.3f} to {max(zeros):.3f}")

    network = nd.sparse_inference(model, images[unseen], batches=[1, 8])
    print(network)
    network.save(arguments.out)
    again = nd.load_sparse(arguments.out)
    outputs = again(images[unseen].numpy())
    assert np.abs(outputs - expected.numpy()).max() <= 1e-5 * np.abs(expected.numpy()).max()
    accuracy = float((outputs.argmax(1) == labels[unseen].numpy()).mean())
    print(f"accuracy on unseen digits: {accuracy:.3f}, from {arguments.out}")


if __name__ == "__main__":
    main()
