"""What is in the folder of a run, and which command makes it."""

from __future__ import annotations

import fnmatch
from typing import NamedTuple

from latentome.io.atomic import TEMPORARY_SUFFIX
from latentome.io.lock import HOLDER, LOCK


class Item(NamedTuple):
    """A file or folder of a run, and the command that makes it."""

    path: str
    command: str


#: The parts of a run by name.
ITEMS = {
    "config": Item("config.toml", "train"),
    "manifest": Item("manifest.json", "train"),
    "model": Item("model.keras", "train"),
    "encoder": Item("encoder.weights.h5", "train"),
    "decoder": Item("decoder.weights.h5", "train"),
    "test_vectors": Item("test-vectors.npz", "train"),
    "estimator": Item("estimator.json", "train"),
    "preprocessing": Item("preprocessing.json", "train"),
    "history": Item("history.tsv", "train"),
    "checkpoints": Item("checkpoints", "train"),
    "matrix": Item("preprocessed.zarr", "train"),  # of data on disk, as long as the training lasts
    "latent": Item("latent.tsv", "predict"),
    "tsne": Item("tsne.tsv", "predict"),
    "umap": Item("umap.tsv", "predict --umap"),
    "h5ad": Item("latent.h5ad", "predict"),
    "metrics": Item("metrics.json", "evaluate"),
    "errors_by_gene": Item("errors_by_gene.tsv", "evaluate"),
    "errors_by_class": Item("errors_by_class.tsv", "evaluate"),
    "confusion": Item("confusion.tsv", "evaluate"),
    "evaluation": Item("evaluation.tsv", "evaluate --folds 5"),
    "signatures": Item("signatures.tsv", "predict"),
    "interpretation": Item("interpretation", "interpret"),
    "figures": Item("figures", "visualize"),
    "onnx": Item("onnx", "export"),
    "report": Item("report.html", "report"),
}
#: What is written of new samples, in memory or on disk.
PREDICTED = (
    *("latent.tsv", "latent.h5ad", "tsne.tsv", "error.tsv", "nearest.tsv", "classes.tsv", "reconstruction.tsv.gz"),
)
#: What runs write into their folders, by suffix or name. Nothing else in them is ever removed.
FOLDERS = {
    "figures": (".png", ".pdf", ".svg"),
    "figures-dark": (".png", ".pdf", ".svg"),
    "interpretation": (".tsv", ".json", ".graphml"),
    "checkpoints": (LOCK, ".state", ".keras", ".h5", ".npz", ".json", ".toml", ".tsv"),
    "onnx": (".onnx", ".json"),
    "predictions/*": PREDICTED,
    "predictions": (),
    ".saving-*": (".keras", ".h5", ".json", ".npz", ".tsv"),  # of a process that was killed while it saved its model
}
#: A file that shows that the folder can be written.
PROBE = f".probe{TEMPORARY_SUFFIX}"


def is_litter(name: str) -> bool:
    """Whether a file is what a killed process leaves: a lock that nobody holds, or half of a file."""
    return name in (LOCK, HOLDER, PROBE) or fnmatch.fnmatchcase(name, f".*{TEMPORARY_SUFFIX}.*")
