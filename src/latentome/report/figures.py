"""Takes the figures of a run into the report: which section shows them, and what they say to who cannot see them."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from latentome.errors import RunFolderError
from latentome.io import RunFolder

#: File name without ending: section, caption, description. The order here is the order on the page.
KNOWN = {
    "dimensions": (
        "scores",
        "Sizes of the code beside each other, on the held-out samples: 'latentome dimensions' has trained the model "
        "with each. The size was chosen on the samples that score it, so that its own score is a little too good.",
        "Lines: held-out error and other scores of the model and of PCA against the number of features.",
    ),
    "tsne": (
        "maps",
        "t-SNE maps of all samples, from the features of the model and from those of PCA. Each point is a sample.",
        "Scatter plots, side by side: t-SNE map of the model's features and of PCA's, points coloured by label.",
    ),
    "reconstruction": (
        "maps",
        "The first two features of the data (blue) and what the model gives back (red).",
        "Scatter plot of two features: input in blue, reconstruction in red.",
    ),
    "scores": (
        "scores",
        "The scores of the table below, one panel for each; all bars start at zero.",
        "Bar charts of each score for the model and PCA. The table below holds the same numbers.",
    ),
    "method_ranks": (
        "scores",
        "The place of each method among the others on each fold (1 is best). Larger points: more folds; lines: means.",
        "Dot plots of the ranks of each method, one panel for each measure.",
    ),
    "signatures": (
        "features",
        "The genes that weigh most in the first features that have such genes, positive in red, negative in blue.",
        "Bar charts of the largest loadings of the first features that have any. The table below names the same genes.",
    ),
    "activations": (
        "features",
        "How the first features are distributed over the samples; all ridges have the same height.",
        "Density curves of the first latent features over all samples, one above the other.",
    ),
    "feature_scatter": (
        "features",
        "The two features that vary most, against each other. Each point is a sample.",
        "Scatter plot of two latent features, points coloured by label.",
    ),
    "loading_distributions": (
        "features",
        "How the loadings of the first features spread over all genes (counts on a root scale). Genes beyond the "
        "dotted lines, 2.5 standard deviations from the mean, are in colour; the strongest are named.",
        "Histograms of the loadings of the first features, with the genes at both ends named.",
    ),
    "swarm": (
        "features",
        "The feature that tells the classes apart best, in each class. Each point is a sample; bars are medians.",
        "Swarms of points, one row for each class, along the activity of one latent feature.",
    ),
    "loading_scatter": (
        "features",
        "The loadings of all genes on the two features that vary most. Genes beyond the dotted lines, 2.5 standard "
        "deviations from the mean, are in the colour of the feature's name.",
        "Scatter plot of genes by their loadings on two features, with both histograms at the edges.",
    ),
    "enrichment": (
        "features",
        "The gene sets that stand out most in the features. The numbers say how many genes of a set are in the "
        "signature.",
        "Bar chart of gene sets by feature, longer for smaller q; red for positive loadings, blue for negative ones.",
    ),
    "signature_overlap": (
        "features",
        "How many genes two signatures share; bold where that is more than chance makes them share (q below 0.05).",
        "Triangle of signatures by signatures, darker for a larger shared part of their genes.",
    ),
    "node_types": (
        "features",
        "Left: skew and kurtosis of the loadings of each feature. Right: its genes of high weight on both sides.",
        "Scatter plots of the features, coloured by the type of their loadings.",
    ),
    "consensus": (
        "features",
        "Consensus features of the ensemble and the members that have them in a single feature, darker for more stable "
        "ones; at the right the share of its variance that all features of a member explain together, on average.",
        "Matrix of consensus features by members; at the right how much of its variance the members explain.",
    ),
    "stability": (
        "features",
        "How well the other members of the ensemble find each feature again; lines lead down to the worst match.",
        "Features from the most to the least stable, each with a line down to its worst match.",
    ),
    "replication": (
        "features",
        "Which features come again in models of half of the samples, on samples that these have not seen; lines lead "
        "down to the worst match. Beside it the components of PCA, and of PCA of genes shuffled one by one.",
        "Features from the best to the worst match, with curves for PCA and for PCA of shuffled genes.",
    ),
    "similarity": (
        "features",
        "How alike the members of the ensemble are as a whole, whatever the rotation of their features.",
        "Matrix of members by members: CKA below the diagonal, SVCCA above.",
    ),
    "latent_heatmap": (
        "features",
        "All features of the samples (of more than 2,000 samples 2,000 of them), each feature in standard deviations "
        "from its mean. The strip at the left is the label.",
        "Heat map of samples by latent features with a colour strip of the labels.",
    ),
    "training_curves": (
        "training",
        "Loss and its parts by epoch, on training samples (solid) and validation samples (dashed). Of a model that is "
        "trained in two rounds they are those of the first, which chooses the number of epochs.",
        "Line charts of the loss and its parts against the epoch.",
    ),
    "architecture": (
        "training",
        "The layers of the model with their widths.",
        "Diagram of the layers of the model from input to reconstruction.",
    ),
    "error_by_class": (
        "classes",
        "Held-out mean squared error of each class, with the number of its samples; the line joins the methods.",
        "Dot plot of the held-out error of each class for the model and PCA. The table below holds the same numbers.",
    ),
    "reconstruction_by_gene": (
        "classes",
        "How far off each gene is on held-out samples, in the unit that the model reads. Right of zero the "
        "reconstruction is too low, left of it too high; the worst genes are named.",
        "Scatter plot of all genes: mean residual across, mean size of the residual upwards, the worst named.",
    ),
    "confusion_matrix": (
        "classes",
        "Which held-out classes a linear classifier on the features takes for which; each row adds up to 1, and the "
        "number at its end is that of its samples.",
        "Matrix of true classes by predicted classes, darker for larger shares.",
    ),
}
SECTIONS = ("maps", "scores", "features", "training", "classes", "further")

#: Larger PNG files, in bytes, are embedded as WebP without loss: the same dots in half the room or less.
LARGE = 100_000
#: Pictures that are packed side by side: Pillow does that outside of Python, on one core each.
PACKED_AT_ONCE = 2
#: Dots of a file for one pixel of the page: at 300 dots an inch, letters of 7 points get a size that reads easily.
DOTS_PER_PIXEL = 2.4


def read_figures(run: RunFolder, progress: Callable[[int, int], None] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Read the PNG files of a run's figures folder; `progress` is told how many are done, of how many.

    Gives section to its figures, each with ``source`` (a data address), ``caption``, ``alt``, ``width`` and ``height``
    in pixels of the page. A figure that is not known by name goes to the section ``further``. No figure, and a file
    that is no PNG picture, are refused.
    """
    folder = run.require("figures")
    paths = {path.stem: path for path in sorted(folder.glob("[!.]*.png")) if path.is_file()}
    if not paths:
        raise _refusal(run, folder, "The run has no figures yet", "no PNG file in it")
    sections: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    order = [*(known for known in KNOWN if known in paths), *(stem for stem in paths if stem not in KNOWN)]
    with ThreadPoolExecutor(PACKED_AT_ONCE) as pool:
        embedded = pool.map(lambda stem: _embed(run, paths[stem]), order)
        for done, stem in enumerate(order):
            if progress is not None:
                progress(done, len(order))
            title = stem.replace("_", " ")
            section, caption, alt = KNOWN.get(stem, ("further", title, f"Figure: {title}"))
            sections[section].append({"caption": caption, "alt": alt, **next(embedded)})
    return sections


def _embed(run: RunFolder, path: Path) -> dict[str, Any]:
    """Turn a PNG file into a data address, with the size at which it is shown."""
    content = path.read_bytes()
    if len(content) < 24 or not content.startswith(b"\x89PNG\r\n\x1a\n") or content[12:16] != b"IHDR":
        raise _refusal(run, path, f"The figure {path.name} is damaged", "not a PNG picture")
    width, height = struct.unpack(">II", content[16:24])
    return {
        "source": _data_address(content),
        "width": max(1, round(width / DOTS_PER_PIXEL)),
        "height": max(1, round(height / DOTS_PER_PIXEL)),
    }


def _data_address(content: bytes) -> str:
    """Write a PNG picture into an address; where Pillow can make WebP, a large one as that."""
    from PIL import Image, features

    kind = "png"
    if len(content) > LARGE and features.check("webp"):
        stream = io.BytesIO()
        with Image.open(io.BytesIO(content)) as picture:
            picture.convert("RGB").save(stream, "WEBP", lossless=True, method=3)
        if stream.tell() < len(content):
            kind, content = "webp", stream.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _refusal(run: RunFolder, path: Path, what: str, why: str) -> RunFolderError:
    return RunFolderError(
        what,
        where=f"{path}: {why}",
        expected="the PNG files that 'latentome visualize' makes",
        todo=f"Make them: latentome visualize {run.typed}",
    )
