"""The example of the class: two basic autoencoders on synthetic data, against PCA."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome import io, pl
from latentome.datasets.blobs import draw_blobs
from latentome.workflow.folders import claimed_folder, remove_files
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    import pandas as pd

    from latentome.estimators import BaseAutoencoder

#: What the folder of a reproduction holds, so that an earlier one can be recognised and replaced.
FILES = ("class3.png", "errors.tsv", "predictions.tsv", "model1", "model2")


def reproduce_class3(
    out: str | Path, *, seed: int = 0, replace: bool = False, reporter: Reporter | None = None
) -> pd.DataFrame:
    """Train models 1 and 2 of the class on ``blobs``, predict ``blobs-test``, draw the three panels, table the errors.

    Model 1 is linear, 9-2-9, SGD 0.01; model 2 is 9-5-2-5-9 with sigmoids, Adam 0.001; both 3,000 epochs in batches of
    32.

    Parameters
    ----------
    out
        The folder: ``class3.png``, ``errors.tsv``, ``predictions.tsv``, and the trained models in ``model1`` and
        ``model2``.
    seed
        Seed of the initial weights and the order of the samples.
    replace
        Whether a reproduction that is there is replaced.
    reporter
        Takes note of the steps; silent by default.

    Returns
    -------
    Mean squared error on ``blobs`` and on ``blobs-test`` of PCA with two components fitted on ``blobs``, and of both
    models, and each as a multiple of PCA's.

    Raises
    ------
    RunFolderError
        If the folder holds something else, or a reproduction that may not be replaced.
    """
    with claimed_folder(out, FILES, replace, "reproduction") as folder:
        return _reproduce(folder, seed, reporter or Reporter())


def _reproduce(out: Path, seed: int, reporter: Reporter) -> pd.DataFrame:
    import pandas as pd

    (train, _), (test, _) = draw_blobs(seed=1), draw_blobs(seed=2)  # as in the data sets blobs and blobs-test
    with reporter.step("train both models", "epochs"):
        models = _train(train, seed, reporter)
    remove_files(out, FILES)
    decoded = {"PCA": (_on_axes(train, train), _on_axes(train, test))}
    for name, model in models.items():
        folder = out / name.replace(" ", "")
        with io.guard_writing(folder):
            model.save(folder)
        decoded[name] = tuple(model.inverse_transform(model.transform(x)) for x in (train, test))
    errors = pd.DataFrame(
        {name: [np.square(train - a).mean(), np.square(test - b).mean()] for name, (a, b) in decoded.items()},
        index=["MSE on blobs", "MSE on blobs-test"],
    ).T
    for column in list(errors):
        errors[column.replace("MSE on", "times PCA on")] = errors[column] / errors.loc["PCA", column]
    errors.index.name = "method"
    io.write_table(out / "errors.tsv", errors)
    predicted = {name: b for name, (_, b) in decoded.items()}
    columns = {
        f"{name} {axis}": a[:, i] for name, a in {"input": test, **predicted}.items() for i, axis in enumerate("xy")
    }
    io.write_table(out / "predictions.tsv", pd.DataFrame(columns, index=pd.RangeIndex(1, len(test) + 1, name="sample")))
    with reporter.step("figure"):
        shown = errors["MSE on blobs-test"]
        titles = [
            "Training data",
            f"Model 1 and PCA\nMSE {shown['model 1']:.2e} and {shown['PCA']:.2e}",
            f"Model 2\nMSE {shown['model 2']:.2e}",
        ]
        figure = pl.class3_panels(train, predicted, titles, data=test)
        with io.atomic_path(out / "class3.png") as aside:
            figure.savefig(aside, format="png")
    return errors


def _on_axes(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The points on the plane of the first two principal axes of `x`, as scikit-learn's PCA, which loads for longer."""
    mean = x.mean(axis=0)
    axes = np.linalg.svd(x - mean, full_matrices=False)[2][:2]
    return mean + (points - mean) @ axes.T @ axes


def _train(x: np.ndarray, seed: int, reporter: Reporter) -> dict[str, BaseAutoencoder]:
    """Both models, side by side: a training of tiny models keeps one core busy, outside of Python."""
    from latentome.estimators import DeepAutoencoder, LinearAutoencoder

    models = {
        name: kind.from_preset(f"class3-{name.replace(' ', '')}", random_state=seed)
        for name, kind in (("model 1", LinearAutoencoder), ("model 2", DeepAutoencoder))
    }
    running = Event()

    def progress(*seen: Any) -> None:
        running.set()
        reporter.progress(*seen)

    with ThreadPoolExecutor(1) as pool:
        longest = pool.submit(models["model 2"].fit, x, progress=progress)
        longest.add_done_callback(lambda _: running.set())  # also where it failed
        running.wait()  # until then it is Python that works, on one thing at a time
        models["model 1"].fit(x)
        from latentome.pl import figure  # noqa: F401  loads matplotlib meanwhile

        longest.result()
    return models
