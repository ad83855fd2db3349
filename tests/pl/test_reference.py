"""Every figure as it should look: against reference images, and by laws that hold at any size of the data.

``python tests/pl/test_reference.py [NAME ...]`` draws the reference images anew; look at each before it is kept.
"""

import functools
import io
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image
from scipy import ndimage

import latentome.pl as pl
from latentome.errors import InputError
from latentome.pl import style

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata

REFERENCE = Path(__file__).parent / "reference"
#: Dots an inch of the reference images; their letters.
DPI = 60
FONT = {"font.sans-serif": ["DejaVu Sans"], "text.hinting": "none"}
#: How far apart dots may lie that show the same, and how much of a picture may stay unexplained (see `unexplained`).
#: Measured over all figures: matplotlib 3.9 (FreeType 2.6) against 3.11 (2.14) gives 0.4 to 1.8; without a legend it
#: is 4.4 or more, without a title 3.6 or more.
REACH, TOLERANCE = 3, 2.5
#: Classes, and samples or genes.
FEW, MANY = (3, 50), (34, 10_000)
#: Long names, and names that would be read as formulas or as code.
STUDIES = [f"{site} {kind}" for site in ("Breast", "Lung", "Kidney", "Brain", "Skin") for kind in "ABCDEFG"][:34]


def samples(n, k, seed=0):
    """`n` samples of `k` classes: a map, features, quantities; every class occurs."""
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    names = np.array(STUDIES[:k], dtype=object)[label]
    names[-max(1, n // 30) :] = None
    obs = pd.DataFrame(
        {
            "type": pd.Categorical(names),
            "sex": pd.Categorical(rng.choice(["female", "male"], n)),
            "age": rng.uniform(20, 80, n),
        },
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
    return pd.DataFrame(
        weights, index=[f"GENE{i}" for i in range(genes)], columns=[f"{i + 1}" for i in range(features)]
    )


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


def replicated(k):
    rng, chance = np.random.default_rng(9), "PCA of shuffled genes"
    rows = [
        {"method": method, "feature": f"{name}_{i + 1}", "replication": r, "lowest": r**2, "again": r > 0.7}
        for method, name, most in (
            ("vae", "vae", 1.0),
            ("PCA", "pca", 0.95),
            (chance, "shuffled", 0.6),
        )
        for i, r in enumerate(rng.permutation(np.linspace(most, 0.5 * most, k)))
    ]
    return pd.DataFrame(rows)


def differences(k, seed=0):
    value = np.sort(np.random.default_rng(seed).normal(0, 1, k))[::-1]
    return pd.DataFrame({"feature": [f"vae_{i}" for i in range(k)], "rank": np.arange(1, k + 1), "standardised": value})


def ranks(methods):
    rng = np.random.default_rng(5)
    rows = [
        {"measure": measure, "method": method, "rank": place + 1}
        for measure in ("held-out MSE", "probe accuracy", "silhouette", "seconds")
        for _ in range(15)
        for place, method in enumerate(
            np.array(methods)[np.argsort(np.arange(len(methods)) + rng.normal(0, 1, len(methods)))]
        )
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
        | {
            "held-out MSE": 0.01 + 0.004 * i / (1 + j),
            "low": 0.009 + 0.004 * i / (1 + j),
            "high": 0.012 + 0.004 * i / (1 + j),
        }
        | {"PCA held-out MSE": 0.013, "probe accuracy": 0.8, "PCA probe accuracy": 0.79}
        for i, depth in enumerate(depths)
        for j, rate in enumerate(rates)
    ]
    curves = [
        {
            "configuration": row["configuration"],
            "epoch": e,
            "loss": 0.1 + np.exp(-e / (3 + i)),
            "val_loss": 0.12 + np.exp(-e / (3 + i)),
        }
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
        "replication": lambda: pl.replication(replicated(2 * k)),
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


@functools.cache
def drawn(name, k, n, theme="light"):
    """One figure, made and laid out at the size of the reference images."""
    with pl.theme(theme):
        figure = cases(k, n)[name]()
    figure.set_dpi(DPI)
    if (k, n) == FEW:
        figure.picture = picture(figure)
    else:
        figure.draw_without_rendering()
    return figure


@functools.cache
def cases(k, n):
    return drawings(k, n)


NAMES = tuple(cases(*FEW))
#: Figures that are the same whatever there is of classes and samples, or whose twin tells as much.
SAME = ("architecture", "training_curves", "embedding_quantity", "group_differences_one", "latent_heatmap")
DARK = ("embedding", "confusion_matrix")


@pytest.fixture(autouse=True)
def _font(monkeypatch):
    """The font that comes with matplotlib, without hints: the same letters on every machine."""
    for key, value in FONT.items():
        monkeypatch.setitem(style._RC, key, value)


def picture(figure):
    """A figure as numbers from 0 to 255, height x width x 3."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return read_picture(file)


def read_picture(file):
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float32)


def unexplained(one, other):
    """How much of either picture the other one does not show within `REACH` dots: root mean square, 0 to 255.

    Versions of matplotlib and of its font engine move letters and frames by a dot or two, which the usual root mean
    square of all differences takes for more than a missing legend. So each dot is compared with the range of the dots
    around it in the other picture, and what is beyond counts.
    """
    assert np.abs(np.subtract(one.shape, other.shape)).max() <= 1
    height, width = np.minimum(one.shape, other.shape)[:2]
    parts, around = [picture[:height, :width] for picture in (one, other)], (2 * REACH + 1, 2 * REACH + 1, 1)
    beyond = [
        np.maximum(ndimage.minimum_filter(b, around) - a, a - ndimage.maximum_filter(b, around))
        for a, b in (parts, parts[::-1])
    ]
    return float(np.sqrt(np.square(np.maximum(*beyond).clip(0)).mean()))


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}@dark" for name in DARK)])
def test_it_looks_as_it_did(name):
    path = REFERENCE / f"{name}.png"
    figure = drawn(name.removesuffix("@dark"), *FEW, "dark" if name.endswith("@dark") else "light")
    assert unexplained(figure.picture, read_picture(path)) < TOLERANCE
    assert path.stat().st_size < 26_000


@pytest.mark.parametrize("name", ["embedding", "signatures", "sweep_sizes"])
def test_a_figure_that_lost_a_part_is_told_from_its_reference(name):
    figure, reference = cases(*FEW)[name](), read_picture(REFERENCE / f"{name}.png")
    breaks = [(legend.set_visible, False, True) for legend in figure.legends]
    title = figure.axes[0].get_title(loc="left")
    breaks += [(functools.partial(figure.axes[0].set_title, loc="left"), "", title)] if title else []
    breaks += [(figure.axes[0].set_visible, False, True)]
    assert unexplained(picture(figure), reference) < TOLERANCE
    for change, broken, whole in breaks:
        change(broken)
        assert unexplained(picture(figure), reference) > TOLERANCE
        change(whole)


def boxes(figure):
    """What the texts say that are drawn, and their boxes, in dots."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        texts += [axes.title, axes._left_title, axes._right_title]
        for axis in (axis for axis in (axes.xaxis, axes.yaxis) if axes.axison and axis.get_visible()):
            low, high = sorted(axis.get_view_interval())
            ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
            texts += [label for at, label in ticks if low <= at <= high] + [axis.label]
        if axes.get_xlabel().startswith(("t-SNE", "PC")):
            continue  # names on a map move aside as far as it allows; test_pl.py counts those that cannot
        texts += [*axes.texts, *(axes.get_legend().get_texts() if axes.get_legend() else ())]
    shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
    return [text.get_text() for text in shown], np.array([text.get_window_extent(renderer).extents for text in shown])


@pytest.mark.parametrize(
    ("name", "k", "n"), [(name, *size) for size in (FEW, MANY) for name in NAMES if size == FEW or name not in SAME]
)
def test_nothing_is_cut_off_or_covered(name, k, n):
    figure = drawn(name, k, n)
    renderer, (width, height) = FigureCanvasAgg(figure).get_renderer(), figure.get_size_inches()
    assert width <= 7.2 + 1e-9
    around = figure.get_tightbbox(renderer)
    assert min(around.x0, around.y0, width - around.x1, height - around.y1) > -0.5 / DPI
    said, corners = boxes(figure)
    low = np.maximum(corners[:, None, :2], corners[None, :, :2])
    high = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
    covered = np.triu(((high - low) > 1.0).all(axis=2), 1)  # by more than a dot both ways
    assert [(said[i], said[j]) for i, j in zip(*np.nonzero(covered), strict=True)] == []
    legends = [legend.get_window_extent(renderer).padded(-1.0) for legend in figure.legends]
    panels = [axes.get_tightbbox(renderer) for axes in figure.axes]
    assert not any(legend.overlaps(other) for i, legend in enumerate(legends) for other in [*legends[:i], *panels])


@pytest.mark.parametrize("name", NAMES)
def test_text_can_be_read_on_dark_paper(name):
    with pl.theme("dark"):
        figure = cases(*FEW)[name]()
    assert figure.get_facecolor()[:3] == pytest.approx(to_rgb("#15171A"))
    for axes in figure.axes:
        labels = [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
        on_paper = [] if axes.images else axes.texts  # what stands on a picture has an ink for its own cell
        for text in [*labels, *on_paper, *(t for legend in figure.legends for t in legend.get_texts())]:
            assert style.contrast(text.get_color(), figure.get_facecolor()[:3]) >= 4.5, text.get_text()


def test_a_figure_keeps_its_theme_and_leaves_the_settings_of_others_alone():
    before = dict(matplotlib.rcParams)
    dark, light = drawn("scores", *FEW, "dark"), drawn("scores", *FEW)
    assert dark.picture[0, 0].tolist() == [0x15, 0x17, 0x1A]
    assert light.picture[0, 0].tolist() == [255, 255, 255]
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []
    with pytest.raises(InputError, match="Did you mean 'dark'"), pl.theme("drak"):
        pass


def test_every_function_has_a_reference():
    functions = set(pl.__all__) - {"house_style", "label_colors", "theme"}
    assert {name for name in functions if name not in NAMES} == set()


if __name__ == "__main__":
    style._RC.update(FONT)
    REFERENCE.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or NAMES
    for name, theme in [*((n, "light") for n in NAMES), *((n, "dark") for n in DARK)]:
        if name not in wanted:
            continue
        path = REFERENCE / f"{name}{'@dark' if theme == 'dark' else ''}.png"
        drawn(name, *FEW, theme).savefig(path, dpi=DPI, pil_kwargs={"optimize": True})
