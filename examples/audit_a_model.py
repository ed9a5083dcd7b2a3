"""A network that trained too fast: what is dead in it, why, and what is left when it is taken out.

An image classifier is trained on scikit-learn's digits at a high learning rate, audited, and shrunk without changing
its outputs. Needs the extra `torch`.
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

import neurondeath as nd


def build() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int, rate: float) -> None:
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(epochs):
        for picked in torch.randperm(len(images)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[picked]), labels[picked]).backward()
            optimiser.step()


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        return float((model(images).argmax(1) == labels).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0.01)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(data.target)
    order = torch.randperm(len(images))
    seen, unseen = order[:1400], order[1400:]
    model = build()
    train(model, images[seen], labels[seen], arguments.epochs, arguments.rate)
    print(f"accuracy on unseen digits: {accuracy(model, images[unseen], labels[unseen]):.3f}")

    result = nd.audit(model, images[seen])
    print(result)
    for remedy in result.remedies:
        print(" ", remedy)

    before = model(images[unseen]).detach()
    removal = nd.remove_dead_units(model, images[seen])
    print(removal)
    moved = float((model(images[unseen]).detach() - before).abs().max())
    print(f"largest change on unseen digits: {moved:.2g}")
    print(f"accuracy on unseen digits: {accuracy(model, images[unseen], labels[unseen]):.3f}")


if __name__ == "__main__":
    main()
