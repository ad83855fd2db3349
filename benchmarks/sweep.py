"""Sweeps beside the same trainings one by one, in one process.

    python benchmarks/sweep.py               # the class example's grid, for both of its models
    python benchmarks/sweep.py --latent-dim  # 28 latent sizes x 5 seeds x 2 families on tcga-33
    python benchmarks/sweep.py --quick

The single trainings run with warm programs: one of each latent size is trained before the clock starts, so that what
compiling costs counts against the sweep alone. The time of a sweep is that of the whole call: reading, training,
scoring beside PCA, tables, figures, report.
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
        start = time.perf_counter()
        for model in some:
            model.fit(train)
        single = (time.perf_counter() - start) * len(models) / len(some)
        rows.append((name, len(models), single, *sweep("blobs", name, sizes, rates, seeds, epochs)))
        print(rows[-1], flush=True)
    return rows


def latent_dim(quick: bool) -> list[tuple]:
    """BioBombe's latent sizes and seeds on tcga-33."""
    import latentome as lt

    sizes = lt.sweep.named("latent-dim").grid["n_components"][:: 9 if quick else 1]
    seeds, epochs = (2, 5) if quick else (5, 50)
    return [("vae,linear, tcga-33", 2 * len(sizes) * seeds, float("nan"),
             *sweep("tcga-33", "vae,linear", sizes, (), seeds, epochs))]  # fmt: skip


def sweep(data: str, model: str, sizes, rates, seeds: int, epochs: int) -> tuple[float, float]:
    """Seconds of a sweep as a whole, and of its training and scoring."""
    import latentome as lt

    reporter = lt.workflow.Reporter()
    grid = {"n_components": list(sizes)} | ({"learning_rate": list(rates)} if rates else {})
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        found = lt.sweep.run(
            data, model, grid, folder, seeds=seeds, parameters={"max_epochs": epochs}, reporter=reporter
        )
        took = time.perf_counter() - start
    print("\n".join(found.verdict), flush=True)
    return took, reporter.timings["train"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--latent-dim", action="store_true")
    parser.add_argument("--model", default="", help="of the class example: class3-model1 or class3-model2")
    asked = parser.parse_args()
    rows = latent_dim(asked.quick) if asked.latent_dim else class_grid(asked.quick, asked.model)
    columns = ["sweep", "trainings", "singles_s", "sweep_s", "train_and_score_s"]
    table = pd.DataFrame(rows, columns=columns)
    table["ratio"] = table["sweep_s"] / table["singles_s"]
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if not asked.quick:
        RESULTS.mkdir(exist_ok=True)
        name = "sweep-latent-dim" if asked.latent_dim else "sweep-class3"
        table.to_csv(RESULTS / f"{name}.tsv", sep="\t", index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
