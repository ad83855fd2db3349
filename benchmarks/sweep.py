"""Sweeps beside the same trainings one by one, in one process.

    python benchmarks/sweep.py               # the class example's grid, for both of its models
    python benchmarks/sweep.py --latent-dim  # 28 latent sizes x 5 seeds x 2 families on tcga-33
    python benchmarks/sweep.py --quick

Three comparisons of the class example's grid, in one process, with nothing in the cache of compiled programs:

- trainings: `fit` called for each model, with what the first one of a shape takes to compile, against the trainings of
  the sweep with their compiling;
- whole: the same calls, each with the scores that a sweep gives its trainings, against the whole call of the sweep:
  reading, training, scoring beside PCA, tables, figures, report;
- hardest: `fit` with warm programs and no scores against the whole call of the sweep.

A quarter of the single trainings, every latent size and learning rate among them, is run and stands for all of them.
The time of the processors, which a busy machine changes less, is beside that of the clock.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"


def class_grid(quick: bool, only: str) -> pd.DataFrame:
    """5 latent sizes x 4 learning rates x 5 seeds, 500 epochs, on blobs."""
    import latentome as lt
    from latentome.sweep.store import Fold

    epochs, sizes, seeds = (50, (1, 2), 2) if quick else (500, (1, 2, 3, 4, 5), 5)
    rates = (0.001, 0.003, 0.01, 0.03)
    blobs = lt.datasets.load("blobs")
    fold, labels = Fold(blobs.X, np.arange(len(blobs.X)) < 800), blobs.obs["blob"].to_numpy(str)
    train = fold.x[fold.training]
    other = lt.DeepAutoencoder(1, hidden=(2,), max_epochs=1, random_state=0).fit(train[:, :3])
    judge([other], Fold(fold.x[:, :3], fold.training), labels)  # what a process does once
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
        # A part of the trainings, every latent size and learning rate among them, stands for all of them.
        some, of_each_size = models[::seeds], models[:: len(rates) * seeds]
        cold, again, warm = (timed(fit, some, train) for some in (of_each_size, of_each_size, some))
        scored = timed(judge, some, fold, labels)
        compiling, warm, scored = cold - again, warm * seeds, scored * seeds
        trainings, whole = sweep("blobs", name, sizes, rates, seeds, epochs)
        for what, single, together in (
            ("trainings", warm + compiling, trainings),
            ("whole", warm + compiling + scored, whole),
            ("hardest", warm, whole),
        ):
            rows.append((name, len(models), what, *single, *together))
            print(rows[-1], flush=True)
    columns = ["sweep", "trainings", "compared", "singles_s", "singles_cpu_s", "sweep_s", "sweep_cpu_s"]
    table = pd.DataFrame(rows, columns=columns)
    table["ratio"] = table["sweep_s"] / table["singles_s"]
    return table.assign(cpu_ratio=table["sweep_cpu_s"] / table["singles_cpu_s"])


def timed(what: Callable, *args) -> np.ndarray:
    """Seconds of a call, and of the processors' time in it."""
    start, cpu = time.perf_counter(), time.process_time()
    what(*args)
    return np.array([time.perf_counter() - start, time.process_time() - cpu])


def fit(models: list, x: np.ndarray) -> None:
    """Train models one by one."""
    for model in models:
        model.fit(x)


def judge(models: list, fold, labels: np.ndarray) -> None:
    """Score models as a sweep does."""
    from latentome.sweep.work import score

    for model in models:
        codes = model.transform(fold.x)
        score(codes, model.inverse_transform(codes[~fold.training]), fold, labels)


def latent_dim(quick: bool) -> pd.DataFrame:
    """BioBombe's latent sizes and seeds on tcga-33."""
    import latentome as lt

    # The largest of BioBombe's sizes, 200, is more than the 198 genes of tcga-33 have components.
    sizes = [min(z, 198) for z in lt.sweep.named("latent-dim").grid["n_components"]][:: 9 if quick else 1]
    seeds, epochs = (2, 5) if quick else (5, 50)
    _, whole = sweep("tcga-33", "vae,linear", sizes, (), seeds, epochs)
    row = ("vae,linear, tcga-33", 2 * len(sizes) * seeds, *whole)
    return pd.DataFrame([row], columns=["sweep", "trainings", "sweep_s", "sweep_cpu_s"])


def sweep(data: str, model: str, sizes, rates, seeds: int, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds, and of the processors' time in them, of the trainings of a sweep and of its whole call."""
    import latentome as lt
    from latentome.sweep import work

    grid = {"n_components": list(sizes)} | ({"learning_rate": list(rates)} if rates else {})
    train, trained = work.train_unit, np.zeros(2)

    def noted(*args):
        start, cpu = time.perf_counter(), time.process_time()
        result = train(*args)
        trained[:] += time.perf_counter() - start, time.process_time() - cpu
        return result

    with tempfile.TemporaryDirectory() as folder:
        work.train_unit = noted
        whole = timed(
            lambda: print(
                *lt.sweep.run(data, model, grid, folder, seeds=seeds, parameters={"max_epochs": epochs}).verdict,
                sep="\n",
                flush=True,
            )
        )
        work.train_unit = train
    return trained, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--latent-dim", action="store_true")
    parser.add_argument("--model", default="", help="of the class example: class3-model1 or class3-model2")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as programs:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = programs
        table = latent_dim(asked.quick) if asked.latent_dim else class_grid(asked.quick, asked.model)
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if not asked.quick:
        RESULTS.mkdir(exist_ok=True)
        name = "sweep-latent-dim" if asked.latent_dim else "sweep-class3"
        table.to_csv(RESULTS / f"{name}.tsv", sep="\t", index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
