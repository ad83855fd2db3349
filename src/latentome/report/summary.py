"""The first screen of a report: what was learned, whether it beats PCA, and what to do next, in everyday words."""

from __future__ import annotations

import math
import shlex
from typing import Any

from latentome.report.sources import Metrics, Sources
from latentome.report.wording import FAMILIES, number, several, strings, the_model

#: Scores that tell how well features separate the classes, and what each of them asks.
CLASS_SCORES = {
    "probe accuracy": "naming the class of an unseen sample",
    "5-NN accuracy": "naming it after the five most similar known samples",
}


def summarise(sources: Sources) -> dict[str, Any]:
    """Give the answers of the first screen.

    Returns
    -------
    ``learned`` (sentences), ``answer`` (a word or two), ``beats`` (sentences), ``next`` (pairs of a sentence and a
    command or None).
    """
    metrics = sources.metrics
    model, named = metrics.methods[0], the_model(sources)
    answer, beats = _beats(metrics, model, named)
    return {
        "learned": _learned(sources, model, named),
        "answer": answer,
        "beats": beats or ["This run has no comparison with PCA."],
        "next": _next(sources, answer, named),
    }


def _learned(sources: Sources, model: str, named: str) -> list[str]:
    manifest = sources.manifest
    samples, features = sources.latent_shape
    genes = manifest.at("preprocessing", "n_genes_used") or manifest.at("data", "n_genes")
    told = [
        f"{named[0].upper()}{named[1:]} has learned to describe each of {several(samples, 'sample')} by "
        f"{several(features, 'number')}, called latent features, instead of {several(genes, 'gene')}. Samples with "
        "similar features have similar expression."
    ]
    explained = sources.metrics.table("table", "variance explained").get(model)
    if _is_number(explained) and explained > 0:
        told.append(
            f"From these features alone it gives back {_share(explained)} of the variation of the genes in samples "
            "that it has not seen."
        )
    probe = sources.metrics.table("table", "probe accuracy").get(model)
    label = manifest.text("data", "label_column")
    if _is_number(probe) and label:
        told.append(
            f"They tell {label} right for {_share(probe)} of the held-out samples, though the model never saw it."
        )
    return told


def _beats(metrics: Metrics, model: str, named: str) -> tuple[str, list[str]]:
    """The answer in a word or two, and the sentences that give it with its numbers."""
    difference = metrics.table("difference", "PCA")
    if not all(_is_number(difference.get(key)) for key in ("mean", "low", "high")):
        return "Not compared", []
    keys = ("percent", "percent_low", "percent_high")
    size = ""
    if all(_is_number(difference.get(key)) for key in keys):
        mean, low, high = (difference[key] for key in keys)
        size = (
            f" Its error is {_percent(mean)} than that of PCA (95 % interval: {_signed(low)} to {_signed(high)}; below "
            "zero is better)."
        )
    first = {
        -1: f"Yes: {named} gives back samples that it has not seen better than PCA with as many numbers.",
        1: f"No: PCA with as many numbers gives back unseen samples better than {named}.",
        0: f"Undecided: {named} and PCA with as many numbers give back unseen samples about equally well.",
    }
    way = -1 if difference["high"] < 0 else 1 if difference["low"] > 0 else 0
    told = [first[way] + size]
    for name, asks in CLASS_SCORES.items():
        row = metrics.table("table", name)
        ours, theirs = row.get(model), row.get("PCA")
        if _is_number(ours) and _is_number(theirs):
            told.append(f"At {asks} it is right in {_share(ours)} of the cases, and PCA in {_share(theirs)}.")
    if len(told) > 1:
        told.append("These shares come from one division of the samples; small differences may be chance.")
    return {-1: "Yes", 1: "No", 0: "Undecided"}[way], told


def _next(sources: Sources, answer: str, named: str) -> list[tuple[str, str | None]]:
    """What a reader can do with this result, most useful first."""
    run, data = shlex.quote(sources.run.name), sources.manifest.text("data", "name", default="DATA")
    told: list[tuple[str, str | None]] = []
    if answer == "No":
        members = sources.manifest.at("model", "members") or 1
        epochs, name = (
            2 * max(len(sources.history) // members, 1),
            sources.manifest.text("model", "name", default="vae"),
        )
        longer = shlex.quote(f"{sources.run.name}-longer")
        told.append(
            (
                "For groups and predictions take PCA here: its features are in latent.h5ad, under X_pca. Or give "
                f"{named} another chance with more epochs or other sizes; it has to win on held-out samples too:",
                f"latentome run {shlex.quote(data)} -m {shlex.quote(name)} -e {epochs} -o {longer}",
            )
        )
    elif answer == "Yes":
        told.append(("Work on with the features: latent.tsv has them for every sample.", None))
    elif answer == "Undecided":
        told.append(
            ("The simpler method does as well: prefer PCA, unless a feature below means something to you.", None)
        )
    told.append(
        ("Look at the samples: colour the map, draw around a group, see which features and genes set it apart.", None)
    )
    if not (sources.run / "interpretation").is_dir():
        told.append(("Ask what the features mean (gene sets, covariates):", f"latentome interpret {run}"))
    told.append(("Describe new samples with the same features:", f"latentome predict {run} NEW.tsv"))
    return told


def citations(sources: Sources) -> list[str]:
    """Texts to cite: the run itself, and the method papers that its model family rests on."""
    manifest = sources.manifest
    version = manifest.text("latentome", default="(version not recorded)")
    digest = manifest.text("data", "sha256")[:16] or "not recorded"
    model, data = manifest.text("model", "name", default="unknown"), manifest.text("data", "name", default="the data")
    kind = FAMILIES.get(manifest.text("model", "family"), manifest.text("model", "title", default="model"))
    own = (
        f"Latent features were computed with a {kind} by latentome {version} (model {model}, "
        f"{number(manifest.at('model', 'n_components'))} features, seed {number(manifest.at('seed'))}) from {data} "
        f"(SHA-256 {digest}\N{HORIZONTAL ELLIPSIS}) and compared with PCA of equal size on held-out samples."
    )
    papers = _PAPERS.get(manifest.text("model", "family"), []) + _ALWAYS
    return [own, *papers, *strings(manifest.at("data", "citation"))]


_ALWAYS = [
    "Poli\N{LATIN SMALL LETTER C WITH CARON}ar PG, Stra\N{LATIN SMALL LETTER Z WITH CARON}ar M, Zupan B. openTSNE: a "
    "modular Python library for t-SNE dimensionality reduction and embedding. J Stat Softw 109(3), 2024.",
    "van der Maaten L, Hinton G. Visualizing data using t-SNE. J Mach Learn Res 9:2579-2605, 2008.",
]
_PAPERS = {
    "linear": [
        "Baldi P, Hornik K. Neural networks and principal component analysis: learning from examples without local "
        "minima. Neural Netw 2:53-58, 1989.",
    ],
    "deep": [
        "Hinton GE, Salakhutdinov RR. Reducing the dimensionality of data with neural networks. Science 313:504-507, "
        "2006.",
    ],
    "nonlinear-pca": [
        "Kramer MA. Nonlinear principal component analysis using autoassociative neural networks. AIChE J 37:233-243, "
        "1991.",
    ],
    "vae": [
        "Kingma DP, Welling M. Auto-encoding variational Bayes. ICLR 2014, arXiv:1312.6114.",
        "Way GP, Greene CS. Extracting a biologically relevant latent space from cancer transcriptomes with "
        "variational autoencoders. Pac Symp Biocomput 23:80-91, 2018.",
    ],
    "adage": [
        "Tan J, Hammond JH, Hogan DA, Greene CS. ADAGE-based integration of publicly available Pseudomonas aeruginosa "
        "gene expression data with denoising autoencoders illuminates microbe-host interactions. mSystems "
        "1:e00025-15, 2016.",
        "Vincent P, Larochelle H, Bengio Y, Manzagol PA. Extracting and composing robust features with denoising "
        "autoencoders. ICML 2008.",
    ],
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _share(value: float) -> str:
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def _percent(value: float) -> str:
    return f"{abs(value):.1f}\N{NO-BREAK SPACE}% {'lower' if value < 0 else 'higher'}"


def _signed(value: float) -> str:
    return f"{value:+.1f}\N{NO-BREAK SPACE}%".replace("-", "\N{MINUS SIGN}")
