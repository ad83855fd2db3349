"""Every figure as it should look: against reference images, and by laws that hold at any size of the data.

``python tests/pl/test_reference.py`` draws the reference images anew; look at each before it is kept.
"""

import inspect
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import latentome.pl as pl

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata

REFERENCE = Path(__file__).parent / "reference"
#: Dots an inch of the reference images.
DPI = 70
#: Long names, and names that would be read as formulas or as code.
STUDIES = [f"{site} {kind}" for site in ("Breast", "Lung", "Kidney", "Brain", "Skin") for kind in "ABCDEFG"][:34]


def samples(n, k, seed=0):
    """`n` samples of `k` classes: a map, features, quantities; every class occurs."""
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    names = np.array(STUDIES[:k], dtype=object)[label]
    names[-max(1, n // 30) :] = None
    obs = pd.DataFrame(
        {"type": pd.Categorical(names), "sex": pd.Categorical(rng.choice(["female", "male"], n)), "age": rng.uniform(20, 80, n)},
        index=[f"s{i}" for i in range(n)],
    )
    made = anndata.AnnData(obs=obs, var=pd.DataFrame(index=["g"]))
    made.obsm["X_vae"] = rng.gamma(1, 1, (n, 12)) + rng.normal(0, 1, (k, 12))[label]
    made.obsm["X_tsne_vae"] = rng.normal(0, 20, (k, 2))[label] + rng.normal(0, 2.5, (n, 2))
    made.obsm["X_pca"] = made.obsm["X_tsne_vae"] @ [[0.8, 0.3], [-0.3, 0.8]]
    return made


def history(seed=0):
    epoch = np.arange(1, 41)
    table = pd.DataFrame({"epoch": epoch, "loss": 2677 + (320 + 50 * seed) * np.exp(-epoch / 6)})
    table["beta"], table["kl"] = np.minimum(1.0, epoch / 20), 40 * (1 - np.exp(-epoch / 10))
    table["reconstruction"] = table["loss"] - table["beta"] * table["kl"]
    for name in ("loss", "kl", "reconstruction"):
        table[f"val_{name}"] = table[name] * 1.01
    table.loc[0, "loss"] = 9000.0
    return table


def loadings(genes, features, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.standard_t(4, (genes, features))
    return pd.DataFrame(weights, index=[f"GENE{i}" for i in range(genes)], columns=[f"{i + 1}" for i in range(features)])


def signatures(k):
    rng = np.random.default_rng(1)
    rows = [
        {"feature": f"vae_{f + 1}", "gene": f"GENE{f}{i}", "loading": sign * (2 - 0.1 * i) * rng.uniform(0.9, 1.0)}
        for f in range(k)
        for sign in (1, -1)
        for i in range(10)
    ]
    return pd.DataFrame(rows)


def enriched(k):
    rng = np.random.default_rng(2)
    sets = ["HALLMARK_EPITHELIAL_MESENCHYMAL_TRANSITION", "HALLMARK_G2M_CHECKPOINT", "HALLMARK_APOPTOSIS", "X_$A&$"]
    rows = [
        {"feature": f"vae_{f + 1}", "side": side, "set": name, "overlap": int(rng.integers(2, 40)), "set_size": 80}
        | {"q": 10.0 ** -rng.uniform(0, 12)}
        for f in range(k)
        for side in ("positive", "negative")
        for name in sets
    ]
    return pd.DataFrame(rows)


def overlapping(k):
    rng = np.random.default_rng(3)
    rows = []
    for i in range(k):
        for j in range(i):
            shared = int(rng.poisson(3))
            rows.append((f"vae_{j + 1}pos", f"vae_{i + 1}neg", shared, shared / 60, 10.0 ** -rng.uniform(0, 4)))
    table = pd.DataFrame(rows, columns=["one", "other", "shared", "jaccard", "q"])
    return table[table["shared"] > 0]


def ensemble(k, members):
    rng = np.random.default_rng(4)
    groups = pd.DataFrame({"feature": [f"consensus_{i + 1}" for i in range(k)], "support": np.linspace(1, 0.5, k)})
    rows = [
        {"feature": f"{m * k + i + 1}", "member": m, "stability": s, "lowest": 0.8 * s, "group": f"consensus_{i + 1}"}
        for m in range(members)
        for i, s in enumerate(rng.uniform(0.3, 1, k))
        if m / members < groups["support"][i]
    ]
    pairs = [(a, b, *rng.uniform(0.6, 1, 2)) for a in range(members) for b in range(a + 1, members)]
    return groups, pd.DataFrame(rows), pd.DataFrame(pairs, columns=["one", "other", "cka", "svcca"])


def differences(k, seed=0):
    value = np.sort(np.random.default_rng(seed).normal(0, 1, k))[::-1]
    return pd.DataFrame({"feature": [f"vae_{i}" for i in range(k)], "rank": np.arange(1, k + 1), "standardised": value})


def ranks(methods):
    rng = np.random.default_rng(5)
    rows = [
        {"measure": measure, "method": method, "rank": place + 1}
        for measure in ("held-out MSE", "probe accuracy", "silhouette", "seconds")
        for _ in range(15)
        for place, method in enumerate(np.array(methods)[np.argsort(np.arange(len(methods)) + rng.normal(0, 1, len(methods)))])
    ]
    return pd.DataFrame(rows)


def sized(sizes):
    sizes = np.array(sizes)
    error = 0.02 / np.sqrt(sizes) + 1e-5 * sizes
    table = pd.DataFrame({"size": sizes, "error": error, "standard_error": 0.05 * error, "pca_error": 1.1 * error})
    table["active"], table["stability"] = np.minimum(sizes, 30), 1 / (1 + sizes / 60)
    return table.assign(probe=0.9 - 0.3 / sizes, pca_probe=0.9 - 0.4 / sizes)


def swept(depths, rates):
    rows = [
        {"configuration": i * len(rates) + j, "model": "vae", "latent features": depth, "learning rate": rate}
        | {"held-out MSE": 0.01 + 0.004 * i / (1 + j), "low": 0.009 + 0.004 * i / (1 + j), "high": 0.012 + 0.004 * i / (1 + j)}
        | {"PCA held-out MSE": 0.013, "probe accuracy": 0.8, "PCA probe accuracy": 0.79}
        for i, depth in enumerate(depths)
        for j, rate in enumerate(rates)
    ]
    curves = [
        {"configuration": row["configuration"], "epoch": e, "loss": 0.1 + np.exp(-e / (3 + i)), "val_loss": 0.12 + np.exp(-e / (3 + i))}
        for i, row in enumerate(rows)
        for e in range(1, 21)
    ]
    return pd.DataFrame(rows), pd.DataFrame(curves)


def network():
    """A model with a path past its hidden layer, as Keras builds it; nothing is trained."""
    from latentome.models import NonlinearPCAModel

    return NonlinearPCAModel(n_features=5000, n_components=20)


def residuals(genes):
    rng = np.random.default_rng(6)
    table = {"mean": rng.normal(0, 0.01, genes), "mean_absolute": rng.gamma(3, 0.02, genes)}
    return pd.DataFrame(table, index=[f"GENE{i}" for i in range(genes)])


def typed(k):
    rng = np.random.default_rng(7)
    table = pd.DataFrame({"feature": range(k), "skew": rng.normal(0, 1.2, k), "kurtosis": rng.gamma(1.0, 4, k)})
    table["type"] = rng.choice(list("ABCD"), k)
    return table.assign(genes_positive=rng.poisson(60, k), genes_negative=rng.poisson(70, k))


def drawings(k, n):
    """Every figure as a call without arguments, on `k` classes, features or methods and `n` samples or genes."""
    adata, few = samples(n, k), k <= 3
    two = np.random.default_rng(8).random((min(n, 500), 2))
    cloud = np.column_stack([two, two[:, 0] ** 2, two[:, 0] * two[:, 1]])
    titles = STUDIES[:k]
    scores = pd.DataFrame({f"method {i}": np.linspace(0.1, 0.9, 4) + 0.01 * i for i in range(min(k, 6))})
    scores.index = ["held-out MSE", "variance explained", "probe accuracy", "silhouette"]
    errors = pd.DataFrame({"VAE": np.linspace(0.01, 0.02, k), "PCA": np.linspace(0.012, 0.021, k)}, index=titles)
    counts = pd.DataFrame(np.random.default_rng(9).poisson(1, (k, k)) + 20 * np.eye(k, dtype=int), titles, titles)
    groups, features, alike = ensemble(4 * k, max(3, k // 3))
    summary, curves = swept([5, 20, 100][: 3 if few else 5], [0.001, 0.01] if few else [10.0**-i for i in range(1, 9)])
    weights = loadings(max(n // 2, 30), min(k, 6))
    several = {f"method {i}": differences(20 * k, i) for i in range(min(k, 7))}
    return {
        "activations": lambda: pl.activations(adata),
        "architecture": lambda: pl.architecture(network()),
        "class3_panels": lambda: pl.class3_panels(cloud, {"PCA": cloud, "model 1": cloud * 0.98, "model 2": cloud}),
        "confusion_matrix": lambda: pl.confusion_matrix(counts, "Heading"),
        "consensus": lambda: pl.consensus(groups, features),
        "dimensions": lambda: pl.dimensions(sized([2, 5, 10] if few else range(1, 200, 9)), 10),
        "embedding": lambda: pl.embedding(adata, color="type", title="Map"),
        "embedding_quantity": lambda: pl.embedding(adata, "X_pca", color="age"),
        "embeddings": lambda: pl.embeddings(adata, ["X_tsne_vae", "X_pca"], "type", ["model", "PCA"]),
        "enrichment": lambda: pl.enrichment(enriched(k)),
        "feature_scatter": lambda: pl.feature_scatter(adata, 1, 2, color="type"),
        "group_differences": lambda: pl.group_differences(several, "one less other"),
        "group_differences_one": lambda: pl.group_differences({"VAE": differences(10 * k)}),
        "latent_heatmap": lambda: pl.latent_heatmap(adata, color="type"),
        "latent_heatmap_two": lambda: pl.latent_heatmap(adata, color=["type", "sex"]),
        "loading_distributions": lambda: pl.loading_distributions(weights),
        "loading_scatter": lambda: pl.loading_scatter(weights, 1, 2),
        "loss_comparison": lambda: pl.loss_comparison({f"method {i}": history(i) for i in range(min(k, 9))}),
        "method_ranks": lambda: pl.method_ranks(ranks(["pca", "vae", "nmf"] + [f"method {i}" for i in range(k // 4)])),
        "node_types": lambda: pl.node_types(typed(10 * k)),
        "reconstruction": lambda: pl.reconstruction(cloud, {"model": cloud * 0.98}, title="Both"),
        "reconstruction_by_gene": lambda: pl.reconstruction_by_gene(residuals(n)),
        "reconstruction_error": lambda: pl.reconstruction_error(errors),
        "scores": lambda: pl.scores(scores, {"held-out MSE": "lower", "probe accuracy": "higher"}),
        "signature_overlap": lambda: pl.signature_overlap(overlapping(2 * k)),
        "signatures": lambda: pl.signatures(signatures(k)),
        "similarity": lambda: pl.similarity(alike),
        "stability": lambda: pl.stability(features),
        "swarm": lambda: pl.swarm(adata, 1, "type"),
        "sweep_curves": lambda: pl.sweep_curves(curves, summary, ["latent features", "learning rate"]),
        "sweep_scores": lambda: pl.sweep_scores(summary, ["latent features", "learning rate"]),
        "sweep_sizes": lambda: pl.sweep_sizes(summary, ["held-out MSE", "probe accuracy"]),
        "training_curves": lambda: pl.training_curves(history()),
    }


if __name__ == "__main__":
    import sys
    for theme in ("light", "dark"):
        for k, n in ((3, 50), (34, 10_000)):
            with pl.theme(theme):
                for name, draw in drawings(k, n).items():
                    if len(sys.argv) > 1 and not any(a in name for a in sys.argv[1:]): continue
                    try:
                        draw().savefig(f"/tmp/v/figs/look/{name}-{k}-{theme}.png", dpi=110)
                    except Exception as e:
                        import traceback; traceback.print_exc(); print(name, k, theme, repr(e))
