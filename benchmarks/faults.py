"""Sweeps on a Dask cluster whose workers are killed at random moments, compared with an undisturbed one.

    python -m pip install ".[cluster]"
    python benchmarks/faults.py                # 50 sweeps on 2 workers: about ten minutes
    python benchmarks/faults.py --sweeps 5 --workers 4

Every sweep has the same 32 trainings: two models, two widths, two learning rates, two folds and two seeds, on a small
simulated matrix. While it trains, one or two workers are sent SIGKILL, each within 5 s; Dask starts others in their
place. Its table is compared with that of a sweep in one process, bit for bit but for the seconds. Exit status 1 on any
difference.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pandas as pd

#: The grid, and what is not varied.
GRID = {"latent_dim": [2, 3], "learning_rate": [0.01, 0.05]}
FIXED = {"max_epochs": 300, "optimizer": "sgd"}
WITHIN = 5.0
#: Sweeps of one cluster.
EACH = 5


def one_sweep(files: Path, out: Path, on: str = "here") -> pd.DataFrame:
    """The table of all trainings, without their seconds."""
    from latentome import sweep

    found = sweep.run(
        files / "expression.tsv",
        "linear,deep",
        GRID,
        out,
        seeds=2,
        folds=2,
        labels=str(files / "labels.tsv"),
        parameters=FIXED,
        on=on,
    )
    return found.trials.drop(columns="seconds")


def kill(cluster, deaths: list[float], moments: list[float], over: threading.Event) -> None:
    """Kill a worker at each of the moments, in seconds from now, and note it."""
    start = time.monotonic()
    for moment in moments:
        if over.wait(max(0.0, start + moment - time.monotonic())):
            return
        alive = [w.pid for w in cluster.workers.values() if getattr(w, "pid", None)]
        if alive:
            os.kill(random.choice(alive), signal.SIGKILL)
            deaths.append(time.monotonic() - start)


def main() -> int:
    """Run the sweeps; 1 where a table differs."""
    import distributed

    from latentome import datasets, io

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    random.seed(options.seed)
    equal, deaths, begun = 0, [], time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulated = datasets.simulate(61, 12, n_types=3, n_factors=3, rng=0)
        io.write_table(folder / "expression.tsv", simulated.to_df())
        io.write_table(folder / "labels.tsv", simulated.obs[["type"]])
        expected = one_sweep(folder, folder / "undisturbed")
        for first in range(0, options.sweeps, EACH):
            # A worker that is killed while it starts is not started again: a new cluster now and then has all of them.
            cluster = distributed.LocalCluster(
                n_workers=options.workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
            for number in range(first, min(first + EACH, options.sweeps)):
                over = threading.Event()
                moments = sorted(random.uniform(0.0, WITHIN) for _ in range(random.choice([1, 2])))
                before = len(deaths)
                killer = threading.Thread(target=kill, args=(cluster, deaths, moments, over))
                killer.start()
                found = one_sweep(folder, folder / f"sweep-{number}", cluster.scheduler_address)
                over.set()
                killer.join()
                same = found.equals(expected)
                equal += same
                said = "the same table" if same else "ANOTHER TABLE"
                print(f"sweep {number + 1}: {len(deaths) - before} killed, {said}", flush=True)
                if not same:
                    print(found.compare(expected).to_string())
            cluster.close()
    minutes = (time.monotonic() - begun) / 60
    print(f"{equal} of {options.sweeps} sweeps gave the same table; {len(deaths)} workers killed; {minutes:.1f} min")
    return 0 if equal == options.sweeps else 1


if __name__ == "__main__":
    sys.exit(main())
