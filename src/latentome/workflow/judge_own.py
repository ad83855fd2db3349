"""What a run's own model and maps are worth, beside the scores against PCA of the same size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.tl.evaluate import percent
from latentome.tl.intervals import error_difference
from latentome.workflow.reporter import Reporter

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from latentome.estimators import VariationalAutoencoder


def judge_maps(encoded: AnnData, labels: np.ndarray | None, reporter: Reporter) -> dict[str, dict[str, Any]]:
    """How each map was made, and how much of the neighbourhoods it keeps."""
    from latentome import tl

    judged = {}
    for name in sorted(key.removeprefix("X_") for key in encoded.obsm if key.startswith(("X_tsne_", "X_umap_"))):
        params = {k: np.asarray(v).tolist() for k, v in encoded.uns[name]["params"].items()}
        k = min(10, (encoded.n_obs - 1) // 2)
        quality = tl.map_quality(encoded.obsm[params["use_rep"]], encoded.obsm[f"X_{name}"], labels, k)
        judged[name] = {**params, "quality": {"neighbours": k, **quality}}
        reporter.say(f"Map {name}: " + ", ".join(f"{what} {value:.3f}" for what, value in quality.items()) + ".")
    return judged


def use_of_code(model: VariationalAutoencoder, held_out: pd.DataFrame) -> tuple[dict[str, Any], str]:
    """How much of its code a variational model uses on the held-out samples, as a record and as a sentence."""
    active, kl = model.active_units(held_out), model.kl_per_unit(held_out)
    # Held-out samples may lie a little outside the range of the training samples, where cross-entropy is no likelihood.
    inside = held_out.clip(0.0, 1.0) if model.likelihood == "bernoulli" else held_out
    record = {
        "active": int(active.sum()),
        "KL per feature (nats)": [float(value) for value in kl],
        "evidence lower bound (nats)": model.score(inside),
    }
    # Members describe the same samples: what they carry does not add up.
    several = model.members > 1
    carried = f"{kl.sum() / model.members:.3g} nats a sample{', the mean of the members' if several else ''}"
    return record, (
        f"The VAE uses {active.sum()} of its {len(active)} latent features (their mean varies by more than 0.01 over "
        f"the held-out samples); {'those of a member' if several else 'together they'} carry {carried}."
    )


def beside_one_member(
    x: np.ndarray,
    reconstruction: np.ndarray,
    pcs: np.ndarray,
    loadings: np.ndarray,
    training: np.ndarray,
    groups: np.ndarray | None,
) -> tuple[dict[str, Any], str]:
    """An ensemble against PCA with as many components as one of its members has, as a record and as a sentence.

    Its reconstruction is the mean of what members make of their own codes, and its features are as many as all members
    have together: more members add components to PCA beside it, and no new features to the ensemble.

    Parameters
    ----------
    x
        Scaled data, samples x genes.
    reconstruction
        That of the ensemble.
    pcs, loadings
        The first principal components, as many as a member has features, and their loadings.
    training, groups
        As of `latentome.tl.evaluate`.
    """
    linear = pcs @ loadings.T + x[training].mean(axis=0)
    own, other = (
        np.square(x[~training] - decoded[~training], dtype=np.float64).mean(axis=1)
        for decoded in (reconstruction, linear)
    )
    found = error_difference(own, other, None if groups is None else groups[~training])
    record = {"n_components": pcs.shape[1], "mse": float(other.mean()), "difference": found}
    interval = ""
    if "percent_low" in found:
        mean, low, high = (percent(found[key]) for key in ("percent", "percent_low", "percent_high"))
        interval = f" ({mean}, 95 % interval {low} to {high})"
    return record, (
        f"One member has {pcs.shape[1]} features: PCA of {pcs.shape[1]} components has {other.mean():.4g} to the "
        f"ensemble's {own.mean():.4g}{interval}."
    )
