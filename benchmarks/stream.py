"""Training from disk beside training in memory: throughput and resident memory, in one run.

    python benchmarks/stream.py              # 200,000 x 2,000; writes benchmarks/results/stream.tsv and stream.png
    python benchmarks/stream.py --quick      # 20,000 x 500

The file is made first, in a process of its own, block by block. Each way of training is a process of its own; the
memory is the peak of the process less what it held after importing everything and training a tiny model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"
#: The files, by way of reading; the last one is as `latentome train --on-disk` writes its copy, not packed.
FILES = {"h5ad": "x.h5ad", "zarr": "x.zarr", "a run's copy": "copy.zarr"}
WAYS = ("in memory", *FILES)


def make(folder: Path, samples: int, genes: int) -> None:
    """Write the same random matrix as h5ad, as packed Zarr and as Zarr that is not, 1,000 rows at a time."""
    import h5py
    import zarr

    from latentome.pp.on_disk import create_plain

    rng, block = np.random.default_rng(0), 1000
    with h5py.File(folder / "x.h5ad", "w") as file:
        x = file.create_dataset("X", (samples, genes), "float32")
        x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        z = zarr.open_array(str(folder / "x.zarr"), mode="w", shape=(samples, genes), chunks=(block, genes), dtype="f4")
        copy = create_plain(zarr, folder / "copy.zarr", (samples, genes), block)
        for start in range(0, samples, block):
            rows = rng.random((min(block, samples - start), genes), dtype=np.float32)
            x[start : start + len(rows)] = rows
            z[start : start + len(rows)] = rows
            copy[start : start + len(rows)] = rows


def worker(way: str, folder: Path, epochs: int) -> None:
    """Train in one of the ways and print the seconds of an epoch and the bytes."""
    import resource

    import h5py

    import latentome as lt

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def model(latent: int, epochs: int) -> lt.VariationalAutoencoder:
        return lt.VariationalAutoencoder(
            latent,
            hidden=(),
            linear_path=False,
            likelihood="mse",
            warmup=0,
            schedule="constant",
            max_epochs=epochs,
            validation_fraction=0.1,
            random_state=0,
        )

    model(2, 1).fit(lt.io.MemoryMatrix(np.random.default_rng(0).random((3000, 20), dtype=np.float32)))
    before, times = peak(), []
    if way == "in memory":
        with h5py.File(folder / "x.h5ad") as file:
            data = file["X"][:]
    else:
        data = lt.io.open_matrix(folder / FILES[way])
    fitted = model(50, epochs).fit(data, progress=lambda done, total, row: times.append((time.perf_counter(), done)))
    ends = {done: at for at, done in reversed(times)}  # the first time that each epoch was told
    seconds = min(ends[i + 1] - ends[i] for i in range(1, epochs))
    loss = float(fitted.history_["loss"].iloc[-1])
    print(json.dumps({"s_per_epoch": seconds, "bytes": peak() - before, "loss": loss}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        way, folder, epochs = arguments.worker
        worker(way, Path(folder), int(epochs))
        return
    if arguments.make:
        folder, samples, genes = arguments.make
        make(Path(folder), int(samples), int(genes))
        return
    samples, genes, epochs = (20_000, 500, 3) if arguments.quick else (200_000, 2000, 3)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--make", folder, str(samples), str(genes)], check=True)
        for way in WAYS:
            command = [sys.executable, __file__, "--worker", way, folder, str(epochs)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr[-3000:])
            seen = json.loads(done.stdout.splitlines()[-1])
            rate = samples * 0.9 / seen["s_per_epoch"]
            rows.append((way, samples, genes, seen["s_per_epoch"], rate, seen["bytes"] / 2**20, seen["loss"]))
            print(f"{way}: {seen['s_per_epoch']:.2f} s, {seen['bytes'] / 2**20:.0f} MiB", flush=True)
    table = pd.DataFrame(rows, columns=["way", "samples", "genes", "s_per_epoch", "samples_per_s", "mib", "final_loss"])
    table["throughput_to_memory"] = table["samples_per_s"] / table["samples_per_s"].iloc[0]
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        table.to_csv(RESULTS / "stream.tsv", sep="\t", index=False, float_format="%.5g")
        draw(table, RESULTS / "stream.png")


def draw(table: pd.DataFrame, path: Path) -> None:
    """Throughput and memory of the ways."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, both = plt.subplots(1, 2, figsize=(7.5, 2.4), layout="constrained", sharey=True)
    titles = {"samples_per_s": "samples per second", "mib": "memory beyond the libraries, MiB"}
    for axes, (column, title) in zip(both, titles.items(), strict=True):
        bars = axes.barh(table["way"], table[column], color=["#b0b0b0", *["#0072b2"] * len(FILES)])
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        axes.set_title(title, fontsize=9, loc="left")
        axes.margins(x=0.2)
        axes.spines[["top", "right"]].set_visible(False)
    both[0].invert_yaxis()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
