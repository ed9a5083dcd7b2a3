"""P(alive) over widths and depths: sampled, topped up, and drawn.

Stop the program at any time and run it again: sampled networks stay in the store. With more --trials it samples what is
missing only.
"""

import argparse
from pathlib import Path

import neurondeath as nd
from neurondeath.figures.picture import save
from neurondeath.figures.store_map import draw_store_map
from neurondeath.simulations.estimation.layer_table import layer_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--width", default="2:12", help="range first:last[:step]")
    parser.add_argument("--depth", default="10,20,50,100")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the store and the picture")
    arguments = parser.parse_args()
    results = nd.sweep(
        width=arguments.width,
        depth=arguments.depth,
        inputs="digits:64",
        trials=arguments.trials,
        store=arguments.out / "sweep.sqlite",
        quiet=False,
    )
    print(results)
    for one in results:
        bounds = nd.survival_bounds(one.network.widths, input_dim=one.network.input_dim)
        assert one.high[-1] >= bounds.lower[-1], "an interval below the proven bound"
        interval = f"{one.alive[-1]:.3f} in [{one.low[-1]:.3f}, {one.high[-1]:.3f}]"
        print(f"{one.network}: {interval}, at least {bounds.lower[-1]:.3f}")
    picture = draw_store_map(layer_table(list(results), layer="last"))
    print(save(picture, arguments.out / "sweep.png"))


if __name__ == "__main__":
    main()
