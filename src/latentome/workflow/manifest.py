"""Who made a run: versions and machine."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome._version import __version__

if TYPE_CHECKING:
    from latentome.estimators import BaseAutoencoder
    from latentome.workflow.config import RunConfig
    from latentome.workflow.prepare import Prepared

_PACKAGES = ("anndata", "jax", "keras", "matplotlib", "numpy", "openTSNE", "pandas", "scikit-learn", "scipy")


def describe_environment() -> dict[str, Any]:
    """Versions of the package and of what the numbers depend on, and the machine without its name."""
    import jax

    kind = f" ({accelerator()})" if accelerator() else ""
    return {
        "latentome": __version__,
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}},
        "platform": f"{platform.system()} {platform.machine()}, JAX on {jax.default_backend()}{kind}",
    }


def accelerator() -> str | None:
    """The kind of device that is trained on, for one kind of GPU sums otherwise than another; None for a processor."""
    import jax

    return None if jax.default_backend() == "cpu" else jax.devices()[0].device_kind


def split_sum(held_out: np.ndarray) -> str:
    """The checksum of which samples are held out."""
    return hashlib.sha256(np.packbits(held_out).tobytes()).hexdigest()


def describe_data(prepared: Prepared) -> dict[str, Any]:
    """What the data were and what was done to them."""
    source, used = prepared.adata.uns["source"], prepared.preprocessing
    return {
        "data": {
            "name": str(source["name"]),
            "path": str(source["path"]),
            "sha256": str(source["sha256"]),
            "labels_sha256": source.get("labels_sha256"),
            "on_disk": prepared.matrix is not None,
            "n_samples": prepared.adata.n_obs,
            "n_genes": prepared.n_genes_read,
            "label_column": prepared.label_column,
            "notes": prepared.notes,
        },
        "preprocessing": {
            "values": used.scale,
            "transform": used.transform,
            "selection": used.selection,
            "scaling": used.scaling,
            "n_genes_used": len(used.genes),
            "dropped_constant": used.constant,
            "notes": used.notes,
        },
        "split": {
            "train": int(prepared.training.sum()),
            "test": int((~prepared.training).sum()),
            "stratified_by": " and ".join(prepared.stratified_by) or None,
            "grouped_by": prepared.grouped_by,
            "sha256": split_sum(~prepared.training),
        },
    }


def describe_model(estimator: BaseAutoencoder, config: RunConfig, title: str) -> dict[str, Any]:
    """What was trained."""
    parameters = {k: v for k, v in estimator.get_params(deep=False).items() if k != "random_state"}
    return {
        "model": {
            "name": config.model,
            "title": title,
            "family": estimator.family,
            "n_components": estimator.n_components * estimator.members,
            "members": estimator.members,
            "parameters": {k: list(v) if isinstance(v, tuple) else v for k, v in parameters.items()},
            # The step counter of the schedules is a weight to Keras, and nothing that is learned.
            "n_parameters": sum(model.count_params() - 1 for model in estimator.models_),
            "validation_rows": len(estimator.validation_rows_),
            "second_round": estimator.second_round_,
        },
        "seed": config.seed,
    }
