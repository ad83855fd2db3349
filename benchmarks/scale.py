"""Time and memory of training against the number of samples, genes and latent features, with fitted exponents.

    python benchmarks/scale.py               # writes benchmarks/results/scale.tsv and scale.png
    python benchmarks/scale.py --quick

Each point is a process of its own, so that its peak memory is its own; the time is that of an epoch of the published
VAE (one layer each, batch 50) without compilation, the memory the peak of the process less what it held before the
data were made. The exponent is the slope of the logarithms over the points of the upper half of each series.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"
#: Samples, genes and latent features that the others are held at.
MIDDLE = {"samples": 4000, "genes": 2000, "latent": 50}
SERIES = {
    "samples": (1000, 2000, 4000, 8000, 16000),
    "genes": (500, 1000, 2000, 4000, 8000),
    "latent": (10, 25, 50, 100, 200),
}


def worker(samples: int, genes: int, latent: int) -> None:
    """Train on random data of a size and print the seconds of an epoch and the bytes."""
    import resource

    import latentome as lt

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    lt.LinearAutoencoder(2, max_epochs=1, random_state=0).fit(np.random.default_rng(0).random((100, 10)))
    before = peak()
    x = np.random.default_rng(0).random((samples, genes), dtype=np.float32)
    model = lt.VariationalAutoencoder(
        latent,
        hidden=(),
        linear_path=False,
        likelihood="bernoulli",
        warmup=0,
        schedule="constant",
        max_epochs=4,
        validation_fraction=0.0,
        random_state=0,
    )
    times = []
    model.fit(x, progress=lambda done, total, row: times.append((time.perf_counter(), done)))
    seconds = min((b[0] - a[0]) / (b[1] - a[1]) for a, b in zip(times, times[1:], strict=False))
    print(json.dumps({"s_per_epoch": seconds, "bytes": peak() - before, "data_bytes": x.nbytes}))


def measure(size: dict[str, int], rounds: int) -> dict[str, float]:
    """The best of some processes."""
    command = [sys.executable, __file__, "--worker", *(str(size[name]) for name in MIDDLE)]
    seen = []
    for _ in range(rounds):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        seen.append(json.loads(done.stdout.splitlines()[-1]))
    return min(seen, key=lambda one: one["s_per_epoch"])


def slope(x: pd.Series, y: pd.Series) -> float:
    """The exponent of growth over the upper half of a series."""
    half = len(x) // 2
    return float(np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--worker", nargs=3, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*arguments.worker)
        return
    rows = []
    for name, values in SERIES.items():
        for value in values[:3] if arguments.quick else values:
            size = {**MIDDLE, name: value}
            seen = measure(size, 1 if arguments.quick else 3)
            rows.append((name, *size.values(), seen["s_per_epoch"], seen["bytes"] / 2**20, seen["data_bytes"] / 2**20))
            print(f"{name} {value}: {seen['s_per_epoch']:.3f} s, {seen['bytes'] / 2**20:.0f} MiB", flush=True)
    table = pd.DataFrame(rows, columns=["series", *MIDDLE, "s_per_epoch", "mib", "data_mib"])
    exponents = {
        name: (slope(part[name], part["s_per_epoch"]), slope(part[name], part["mib"]))
        for name, part in table.groupby("series", sort=False)
    }
    print(table.to_string(index=False, float_format="{:.4g}".format))
    for name, (time_, memory) in exponents.items():
        print(f"time grows with {name} as its power {time_:.2f}, memory as its power {memory:.2f}")
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        table["time_exponent"] = [exponents[name][0] for name in table["series"]]
        table["memory_exponent"] = [exponents[name][1] for name in table["series"]]
        table.to_csv(RESULTS / "scale.tsv", sep="\t", index=False, float_format="%.5g")
        draw(table, RESULTS / "scale.png")


def draw(table: pd.DataFrame, path: Path) -> None:
    """Time and memory against each size, on logarithmic scales."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 3, figsize=(9, 5), layout="constrained", sharey="row")
    for column, (name, part) in enumerate(table.groupby("series", sort=False)):
        for row, (value, label) in enumerate((("s_per_epoch", "seconds per epoch"), ("mib", "memory, MiB"))):
            axes = grid[row, column]
            axes.loglog(part[name], part[value], marker="o", color="#0072b2")
            exponent = part["time_exponent" if row == 0 else "memory_exponent"].iloc[0]
            axes.set_title(f"exponent {exponent:.2f}", fontsize=9, loc="left")
            axes.spines[["top", "right"]].set_visible(False)
            if row:
                axes.set_xlabel({"latent": "latent features"}.get(name, name))
            if not column:
                axes.set_ylabel(label)
    others = ", ".join(f"{value} {name}" for name, value in MIDDLE.items())
    figure.suptitle(f"One size varies, the others are {others}; {os.cpu_count()} cores", fontsize=9)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
