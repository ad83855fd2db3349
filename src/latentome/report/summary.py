"""The first screen of a report: what was learned, whether it beats PCA, and what to do next, in everyday words."""

from __future__ import annotations

import math
import shlex
from typing import Any

from latentome.report.sources import Metrics, Sources
from latentome.report.wording import FAMILIES, number, parse, several, strings, the_model
from latentome.tl.evaluate import STAYED_PCA
from latentome.tl.intervals import MIN_TESTED, answer

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
    answer, beats = _beats(metrics, model, named, sources.manifest.at("model", "members") in (None, 1))
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
    members = manifest.at("model", "members") or 1
    each = f" ({several(features // members, 'number')} of each of {members} members)" if members > 1 else ""
    called = "called a latent feature" if features == 1 else "called latent features"
    told = [
        f"{named[0].upper()}{named[1:]} has learned to describe each of {several(samples, 'sample')} by "
        f"{several(features, 'number')}{each}, {called}, instead of {several(genes, 'gene')}. Samples with "
        "similar features have similar expression."
    ]
    silent = _silent(sources)
    if silent:
        told.append(
            f"{silent:,} of these features {'has' if silent == 1 else 'have'} the same value in every sample and "
            f"{'tells' if silent == 1 else 'tell'} nothing: {several(features - silent, 'feature')} did the work."
        )
    explained = sources.metrics.table("table", "variance explained").get(model)
    if _is_number(explained) and explained > 0:
        told.append(
            f"From these features alone it gives back {_share(explained)} of the variation of the genes in samples "
            "that it has not seen."
        )
    elif _is_number(explained) and explained < 0:
        told.append(
            "What it gives back of samples that it has not seen is farther from them than the mean of each gene: it "
            "was trained too little, or its training went wrong."
        )
    probe = sources.metrics.table("table", "probe accuracy").get(model)
    label = manifest.text("data", "label_column")
    held_out = sum(sources.metrics.table("n_by_class").values()) or sources.metrics.at("n_test")
    if _is_number(probe) and label:
        common, share = (sources.metrics.at("majority", key) for key in ("class", "share"))
        always = f" Always saying '{common}' would be right for {_share(share)}." if _is_number(share) else ""
        told.append(
            f"A classifier taught with the features and the {label} of the training samples tells {label} right for "
            f"{_share(probe)} of {several(held_out, 'held-out sample')}; the model itself never saw it.{always}"
        )
    return told


def _silent(sources: Sources) -> int:
    """How many features have the same value in all samples; 0 where ``latent.h5ad`` does not tell."""
    import h5py

    path, key = sources.run / "latent.h5ad", f"X_{sources.manifest.text('model', 'family')}"
    if not path.is_file():
        return 0
    with h5py.File(path) as file:
        codes = file["obsm"][key][()] if key in file.get("obsm", {}) else None
    return 0 if codes is None else int((codes.max(axis=0) == codes.min(axis=0)).sum())


def _beats(metrics: Metrics, model: str, named: str, alone: bool) -> tuple[str, list[str]]:
    """The answer in a word or two, and the sentences that give it with its numbers.

    A model that stayed PCA is PCA of the same size where it is `alone`; an ensemble is compared with as many components
    as all of its members have.
    """
    difference, n_test = metrics.table("difference", "PCA"), metrics.at("n_test")
    tested = n_test if metrics.at("n_independent") is None else metrics.at("n_independent")
    few = isinstance(tested, int) and tested < MIN_TESTED
    if not few and not all(_is_number(difference.get(key)) for key in ("mean", "low", "high")):
        return "Not compared", []
    keys = ("percent", "percent_low", "percent_high")
    size = ""
    if all(_is_number(difference.get(key)) for key in keys):
        mean, low, high = (difference[key] for key in keys)
        size = (
            f" Its error is {_percent(mean)} than that of PCA (95 % interval: {_signed(low)} to {_signed(high)}; below "
            "zero is better)."
        )
    said = "too few" if few else answer(difference, MIN_TESTED)
    is_pca = alone and STAYED_PCA in strings(metrics.at("verdict"))
    word, first = {
        "better": ("Yes", f"{named} gives back samples that it has not seen better than PCA with as many numbers."),
        "worse": ("No", f"PCA with as many numbers gives back unseen samples better than {named}."),
        "undecided": (
            "Undecided",
            f"{named} and PCA with as many numbers give back unseen samples about equally well.",
        ),
        "same": ("No", f"{named} and PCA with as many numbers give back unseen samples equally well."),
        "too few": ("Too few samples to tell", f"{several(n_test or 0, 'held-out sample')} cannot tell it from PCA."),
    }[said]
    if is_pca:
        word, first, size = "It is PCA", "training found nothing beyond PCA that held on the validation samples.", ""
    told = [first[0].upper() + first[1:] + ("" if said in ("same", "too few") else size)]
    if said == "too few":
        return word, told
    member = metrics.table("of_member", "difference")
    if all(_is_number(member.get(key)) for key in keys):
        mean, low, high = (member[key] for key in keys)
        k = metrics.at("of_member", "n_components")
        told.append(
            f"Beside PCA with as many numbers as one member has, {k}, its error is {_percent(mean)} ({_signed(low)} to "
            f"{_signed(high)})."
        )
    shares = len(told)
    for name, asks in CLASS_SCORES.items():
        row = metrics.table("table", name)
        ours, theirs = row.get(model), row.get("PCA")
        if _is_number(ours) and _is_number(theirs):
            told.append(f"At {asks} it is right in {_share(ours)} of the cases, and PCA in {_share(theirs)}.")
    if len(told) > shares:
        told.append("These shares come from one division of the samples; small differences may be chance.")
    return word, told


def _next(sources: Sources, answer: str, named: str) -> list[tuple[str, str | None]]:
    """What a reader can do with this result, most useful first."""
    run = shlex.quote(sources.run.name)
    told: list[tuple[str, str | None]] = []
    if answer == "No":
        advice, command = _another_chance(sources, named)
        instead = "For groups and predictions take PCA here: its features are in latent.h5ad, under X_pca."
        if sources.metrics.at("of_member", "n_components") is not None:
            instead = "Here PCA with as many components as all members have features does better."
        told.append((f"{instead} {advice}", command))
    elif answer == "It is PCA":
        told.append(("Work on with the features: they are those of PCA, in latent.tsv.", None))
    elif answer == "Too few samples to tell":
        told.append(("Ask on more samples, or on several divisions of these:", f"latentome evaluate {run} --folds 5"))
    elif answer == "Yes":
        told.append(("Work on with the features: latent.tsv has them for every sample.", None))
    elif answer == "Undecided":
        told.append(
            ("The simpler method does as well: prefer PCA, unless a feature below means something to you.", None)
        )
    told.append(
        ("Look at the samples: colour the map, draw around a group, see which features and genes set it apart.", None)
    )
    folder, streamed = sources.run / "interpretation", sources.manifest.at("data", "on_disk")
    if not (folder / "features.tsv").is_file():
        told.append(("Ask what the features mean (gene sets, covariates):", f"latentome interpret {run}"))
    if not (folder / "replication.tsv").is_file() and not streamed:
        told.append(("See which features come again in models of other samples:", f"latentome replicate {run}"))
    told.append(("Describe new samples with the same features:", f"latentome predict {run} NEW.tsv"))
    return told


def _another_chance(sources: Sources, named: str) -> tuple[str, str | None]:
    """What may help a model that lost to PCA: more epochs only where those that it had were not too many."""
    best, last = _best_epoch(sources.history)
    more = "it has to win on held-out samples, too"
    explained = sources.metrics.table("table", "variance explained").get(sources.metrics.methods[0])
    rate = sources.manifest.at("model", "parameters", "learning_rate")
    if _is_number(explained) and explained < 0.0 and not _fell(sources.history):
        command = _again(sources, {"-l": rate / 10}, "slower") if _is_number(rate) else None
        return (
            f"The training of {named} went wrong. Give it another chance with a lower learning rate; {more}:",
            command,
        )
    if best is None or best > _LATE * last:
        epochs = sources.manifest.at("model", "parameters", "max_epochs")
        command = _again(sources, {"-e": 2 * epochs}, "longer") if isinstance(epochs, int) else None
        return f"Or give {named} another chance with more epochs (-e) or other sizes (-z); {more}:", command
    lowest = f"the loss on the validation samples was lowest at epoch {best} of {last}"
    if sources.manifest.at("model", "parameters", "patience") is not None:
        return (
            f"More epochs would not help, {lowest}. Or give {named} another chance with other sizes (-z); {more}.",
            None,
        )
    return (
        f"More epochs would not help, {lowest}, and rose or stayed after it. Or give {named} another chance with the "
        f"best epoch kept (--patience), fewer epochs (-e {best}) or other sizes (-z); {more}:",
        _again(sources, {"--patience": _PATIENCE}, "patience"),
    )


def _fell(history: list[dict[str, str]]) -> bool:
    """Whether the reconstruction of the training samples became better from the first epoch to the last."""
    errors: dict[int, list[float]] = {}
    for row in history:
        errors.setdefault(int(parse(row.get("epoch"))), []).append(parse(row.get("reconstruction")))
    means = [sum(values) / len(values) for _, values in sorted(errors.items())]
    return bool(means) and means[-1] < means[0]


def _best_epoch(history: list[dict[str, str]]) -> tuple[int | None, int]:
    """The epoch of the lowest validation loss, over all members, and the last one; None where there was none.

    While the weight of the KL term rises, so does the loss: epochs are compared that have its last weight.
    """
    losses: dict[int, list[float]] = {}
    for row in history:
        loss = parse(row.get("val_loss"))
        if row.get("val_beta") == history[-1].get("val_beta") and math.isfinite(loss):
            losses.setdefault(int(parse(row.get("epoch"))), []).append(loss)
    means = {epoch: sum(values) / len(values) for epoch, values in losses.items()}
    return min(means, key=lambda epoch: means[epoch], default=None), max(means, default=0)


def _again(sources: Sources, other: dict[str, float], suffix: str) -> str | None:
    """The command of the run with `other` options and a folder of its own; None where it was a call from Python."""
    command = sources.manifest.text("command")
    if not command.startswith(("latentome run ", "latentome train ")):
        return None
    own = {**other, "-o": f"{sources.run.name}-{suffix}"}
    once = {spelled for name in own for spelled in (name, _LONG.get(name, name))}
    kept, is_value = [], False
    for word in shlex.split(command):
        name = word.partition("=")[0]
        if not is_value and name not in (*once, "--replace", "--resume"):
            kept.append(word)
        is_value = not is_value and word in once
    return shlex.join([*kept, *(str(part) for pair in own.items() for part in pair)])


#: Long spellings of the options that are given anew.
_LONG = {"-e": "--epochs", "-l": "--learning-rate", "-o": "--out"}
#: A best epoch before this share of the last one is no chance of the last epochs: the training went on too long.
_LATE = 0.8
#: Epochs without a better validation loss after which a proposed training stops.
_PATIENCE = 20


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
    return f"{_digits(abs(value))}\N{NO-BREAK SPACE}% {'lower' if value < 0 else 'higher'}"


def _digits(value: float) -> str:
    return f"{value:,.1f}" if value < 1000.0 else f"{float(f'{value:.3g}'):,.0f}"


def _signed(value: float) -> str:
    sign = "\N{MINUS SIGN}" if f"{value:z.1f}".startswith("-") else "+"
    return f"{sign}{_digits(abs(value))}\N{NO-BREAK SPACE}%"
