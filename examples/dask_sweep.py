"""The sweep of `sweep.py` on a Dask cluster: the same numbers, whoever samples them.

Without --scheduler a cluster is started on this machine. Elsewhere start `dask scheduler` and `dask worker ADDRESS` on
machines where neurondeath is installed, and pass the address. Needs the extra `distributed`.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

import neurondeath as nd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scheduler", help="address, such as tcp://host:8786")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--width", default="2:12")
    parser.add_argument("--store", type=Path, default=Path("dask_sweep.sqlite"))
    arguments = parser.parse_args()
    with ExitStack() as opened:
        address = arguments.scheduler
        if address is None:
            from distributed import LocalCluster

            cluster = opened.enter_context(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None))
            address = cluster.scheduler_address
        results = nd.sweep(
            width=arguments.width,
            depth=50,
            inputs="digits:64",
            trials=arguments.trials,
            scheduler=address,
            store=arguments.store,
        )
    for one in results:
        print(f"{one.network}: {one.alive[-1]:.3f} in [{one.low[-1]:.3f}, {one.high[-1]:.3f}]")


if __name__ == "__main__":
    main()
