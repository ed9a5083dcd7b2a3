"""Living ratio of MNIST in narrow, deep ReLU networks of PyTorch, with and without sign flips.

Every network is drawn by `he_` and measured three times: without a flip, after a layer flip and after a neuron flip, on
all 60,000 training images, scaled to mean 0 and standard deviation 1. The table lists the mean living ratio over
networks, its standard error, the smallest ratio, the shares of networks that keep every image and that are dead on all
of them, and the theory: the exact mean for plain networks, the guarantee for flipped ones.

    NEURONDEATH_DATA=FOLDER python benchmarks/torch_sign_flip.py [--nets N] [--width N] [--depth K] [--json FILE]
"""

import argparse
import json
import math
import sys
import time
from copy import deepcopy
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import nn

from neurondeath.simulations.inputs.image_files import read_images
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.remedies.sign_flip import sign_flip_guarantee
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_torch.initialising.initialisation import he_
from neurondeath_torch.initialising.sign_flipping import sign_flip_


def images() -> torch.Tensor:
    """Read the training images, scaled to mean 0 and standard deviation 1."""
    pixels = torch.from_numpy(read_images("mnist").copy()).float()
    return (pixels - pixels.mean()) / pixels.std()


def narrow_network(inputs: int, width: int, depth: int, seed: int) -> nn.Sequential:
    """Draw a plain ReLU network with ten outputs."""
    layers = [nn.Sequential(nn.Linear(width if k else inputs, width), nn.ReLU()) for k in range(depth)]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    he_(model, generator=seed)
    return model


def measure(points: torch.Tensor, width: int, depth: int, nets: int) -> list[dict[str, float | str]]:
    """Collect living ratios of plain, layer-flipped and neuron-flipped networks."""
    ratios: dict[str, list[float]] = {"none": [], "layer": [], "neuron": []}
    seconds = dict.fromkeys(ratios, 0.0)
    for seed in range(nets):
        model = narrow_network(points.shape[1], width, depth, seed)
        for mode in ("layer", "neuron"):
            begun = time.perf_counter()
            flipped = sign_flip_(deepcopy(model), points, mode=mode)
            seconds[mode] += time.perf_counter() - begun
            ratios[mode].append(flipped.living_ratio)
        ratios["none"].append(flipped.living_ratio_before)
    rows: list[dict[str, float | str]] = []
    for mode, values in ratios.items():
        if mode == "none":
            theory = float(survival_bounds([width] * depth).mean_living_ratio[-1])
        else:
            theory = float(sign_flip_guarantee([width] * depth, len(points), mode).living_ratio[-1])
        rows.append(
            {
                "sign_flip": mode,
                "living_ratio": fmean(values),
                "stderr": stdev(values) / math.sqrt(nets) if nets > 1 else math.nan,
                "least": min(values),
                "nets_keeping_all": sum(value == 1.0 for value in values) / nets,
                "nets_dead": sum(value == 0.0 for value in values) / nets,
                "mean_or_guarantee": theory,
                "seconds_a_net": seconds[mode] / nets,
            }
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=int, default=20)
    parser.add_argument("--width", type=int, default=10)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    try:
        points = images()
    except NeuronDeathError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    rows = measure(points, options.width, options.depth, options.nets)
    print(f"{len(points)} MNIST images, width {options.width}, depth {options.depth}, {options.nets} networks")
    for row in rows:
        shown = (f"{key} {value:.6g}" for key, value in row.items() if isinstance(value, float))
        print(f"{row['sign_flip']:8}", *shown, sep="  ")
    if options.json:
        options.json.write_text(json.dumps({"options": {**vars(options), "json": None}, "rows": rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
