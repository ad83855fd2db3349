"""Sweeps beside the same trainings one by one, in one process.

    python benchmarks/sweep.py               # the class example's grid, for both of its models
    python benchmarks/sweep.py --latent-dim  # 28 latent sizes x 5 seeds x 2 families on tcga-33
    python benchmarks/sweep.py --quick

The single trainings run with warm programs: one of each latent size is trained before the clock starts, so that what
compiling costs counts against the sweep alone. The time of a sweep is that of the whole call: reading, training,
scoring beside PCA, tables, figures, report. Beside it the time of the processors, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"


def class_grid(quick: bool, only: str) -> list[tuple]:
    """5 latent sizes x 4 learning rates x 5 seeds, 500 epochs, on blobs."""
    import latentome as lt

    epochs, sizes, seeds = (50, (1, 2), 2) if quick else (500, (1, 2, 3, 4, 5), 5)
    rates = (0.001, 0.003, 0.01, 0.03)
    train = lt.datasets.load("blobs").X[:800]
    rows = []
    for name, kind in (("class3-model1", lt.LinearAutoencoder), ("class3-model2", lt.DeepAutoencoder)):
        if only and only != name:
            continue
        models = [
            kind.from_preset(name, n_components=z, learning_rate=r, max_epochs=epochs, random_state=s)
            for z in sizes
            for r in rates
            for s in range(seeds)
        ]
        for model in models[:: len(rates) * seeds]:
            model.fit(train)  # compiles
        # A quarter of the trainings, every latent size and learning rate among them, stands for all of them.
        some = models[::seeds]
        start, cpu = time.perf_counter(), time.process_time()
        for model in some:
            model.fit(train)
        share = len(models) / len(some)
        single = (time.perf_counter() - start) * share, (time.process_time() - cpu) * share
        rows.append((name, len(models), *single, *sweep("blobs", name, sizes, rates, seeds, epochs)))
        print(rows[-1], flush=True)
    return rows


def latent_dim(quick: bool) -> list[tuple]:
    """BioBombe's latent sizes and seeds on tcga-33."""
    import latentome as lt

    # The largest of BioBombe's sizes, 200, is more than the 198 genes of tcga-33 have components.
    sizes = [min(z, 198) for z in lt.sweep.named("latent-dim").grid["n_components"]][:: 9 if quick else 1]
    seeds, epochs = (2, 5) if quick else (5, 50)
    return [("vae,linear, tcga-33", 2 * len(sizes) * seeds, float("nan"), float("nan"),
             *sweep("tcga-33", "vae,linear", sizes, (), seeds, epochs))]  # fmt: skip


def sweep(data: str, model: str, sizes, rates, seeds: int, epochs: int) -> tuple[float, float]:
    """Seconds of a whole sweep, and of the processors' time in it."""
    import latentome as lt

    grid = {"n_components": list(sizes)} | ({"learning_rate": list(rates)} if rates else {})
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        found = lt.sweep.run(data, model, grid, folder, seeds=seeds, parameters={"max_epochs": epochs})
        took = time.perf_counter() - start, time.process_time() - cpu
    print("\n".join(found.verdict), flush=True)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--latent-dim", action="store_true")
    parser.add_argument("--model", default="", help="of the class example: class3-model1 or class3-model2")
    asked = parser.parse_args()
    rows = latent_dim(asked.quick) if asked.latent_dim else class_grid(asked.quick, asked.model)
    columns = ["sweep", "trainings", "singles_s", "singles_cpu_s", "sweep_s", "sweep_cpu_s"]
    table = pd.DataFrame(rows, columns=columns)
    table["ratio"] = table["sweep_s"] / table["singles_s"]
    table["cpu_ratio"] = table["sweep_cpu_s"] / table["singles_cpu_s"]
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if not asked.quick:
        RESULTS.mkdir(exist_ok=True)
        name = "sweep-latent-dim" if asked.latent_dim else "sweep-class3"
        table.to_csv(RESULTS / f"{name}.tsv", sep="\t", index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
