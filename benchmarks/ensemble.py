"""Many models in one program beside the same models one by one, in one run.

    python benchmarks/ensemble.py            # writes benchmarks/results/ensemble.tsv and ensemble.png
    python benchmarks/ensemble.py --only "class model 1"   # makes its rows of the table again
    python benchmarks/ensemble.py --quick

Both columns train with warm programs: what compiling costs, the first of two trainings less the second, is a column of
its own. Tiny models train in pieces of one size whatever their number, so that only the first number compiles. The
losses of the two ways are compared, member by member.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"


def cases(quick: bool) -> dict[str, tuple]:
    """The models by name: estimator, its arguments, data, and the numbers of members."""
    import latentome as lt

    blobs = lt.datasets.load("blobs").X
    tumours = lt.datasets.load("tcga-33").X
    tumours = (tumours - tumours.min(axis=0)) / np.ptp(tumours, axis=0)
    epochs, some = (300, (8, 32)) if quick else (3000, (8, 32, 100))
    preset = {"random_state": 0, "max_epochs": epochs}
    few = {"random_state": 0, "max_epochs": 5 if quick else 50}
    return {
        "class model 1": (lt.LinearAutoencoder.from_preset("class3-model1", **preset), blobs, some),
        "class model 2": (lt.DeepAutoencoder.from_preset("class3-model2", **preset), blobs, some),
        "VAE, tcga-33": (lt.VariationalAutoencoder(**few), tumours, (8,)),
        "ADAGE, tcga-33": (lt.DenoisingAutoencoder(**few), tumours, (8,)),
    }


def fit(model, x: np.ndarray, **changed) -> tuple[float, np.ndarray]:
    """Seconds of a training, and the final loss of each member."""
    from sklearn.base import clone

    fresh = clone(model).set_params(**changed)
    start = time.perf_counter()
    fresh.fit(x)
    took = time.perf_counter() - start
    table = fresh.history_
    last = table.groupby("member").tail(1) if "member" in table else table.tail(1)
    return took, last["loss"].to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="the name of one model")
    asked = parser.parse_args()
    quick, rows = asked.quick, []
    for name, (model, x, sizes) in cases(quick).items():
        if asked.only not in ("", name):
            continue
        fit(model, x)  # compiles
        singles = [fit(model, x, random_state=seed) for seed in range(min(max(sizes), 4 if quick else 8))]
        one = float(np.median([took for took, _ in singles]))
        for members in sizes:
            first, _ = fit(model, x, members=members)
            warm, losses = fit(model, x, members=members)
            compared = min(members, len(singles))
            apart = max(abs(float(singles[i][1][0]) - losses[i]) / abs(losses[i]) for i in range(compared))
            ratio = warm / (members * one)
            rows.append((name, model.max_epochs, members, one, warm, ratio, first - warm, apart))
            print(f"{name}: {members} members {warm:.2f} s, {members} x {one:.2f} s, ratio {ratio:.3f}", flush=True)
    columns = ["model", "epochs", "members", "one_s", "together_s", "ratio", "compile_s", "largest_difference_of_loss"]
    table = pd.DataFrame(rows, columns=columns)
    print(table.to_string(index=False, float_format="{:.4g}".format))
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        if asked.only:
            before = pd.read_csv(RESULTS / "ensemble.tsv", sep="\t")
            order = list(before["model"].unique())
            table = pd.concat([before[before["model"] != asked.only], table])
            table = table.sort_values(
                ["model", "members"], key=lambda c: c.map(order.index) if c.name == "model" else c
            )
        table.to_csv(RESULTS / "ensemble.tsv", sep="\t", index=False, float_format="%.5g")
        draw(table, RESULTS / "ensemble.png")


def draw(table: pd.DataFrame, path: Path) -> None:
    """The share of the serial time against the number of members."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for name, rows in table.groupby("model", sort=False):
        axes.plot(rows["members"], rows["ratio"], marker="o", label=name)
    axes.axhline(1.0, color="#999999", linewidth=0.8)
    axes.axhline(1 / 3, color="#999999", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", ylim=(0, None), xlabel="models in one program", ylabel="time / time one by one")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
