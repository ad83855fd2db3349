"""What the report says: sentences and rows made from the records of a run."""

from __future__ import annotations

import math
import shlex
from typing import Any

from latentome.report.meaning import read_rows
from latentome.report.sources import Metrics, Record, Sources
from latentome.report.wording import duration, model_words, number, parse, plain, several, strings

#: Genes named on each side of a feature, and features shown before the rest is folded away.
GENES_SHOWN, FEATURES_SHOWN = 8, 12

Facts = list[tuple[str, str]]


def steps(sources: Sources) -> list[str]:
    """Tell in sentences what the run did, with its numbers."""
    manifest, told = sources.manifest, []
    data = manifest.table("data")
    if data.get("n_samples") is not None:
        size = f"{several(data['n_samples'], 'sample')} with {several(data.get('n_genes'), 'gene')} each"
        told.append(f"The data set {data.get('name', '')} was read: {size}.")
    told += _preparation(manifest.table("preprocessing"))
    split = manifest.table("split")
    if split.get("train") is not None:
        kept = f", about the same share of every {split['stratified_by']}" if split.get("stratified_by") else ""
        told.append(
            f"{several(split['train'], 'sample')} served for training; {number(split.get('test'))} were held out "
            f"for the scores{kept}."
        )
    told.append(_training(sources))
    others = [method for method in sources.metrics.methods if method != manifest.at("model", "name")]
    if "PCA" in others:
        told.append(
            "PCA with as many components was fitted to the same training samples and scored on the same held-out "
            "samples."
        )
    samples, features = sources.latent_shape
    told.append(f"latent.tsv holds {several(features, 'feature')} of {several(samples, 'sample')}.")
    return told


def _preparation(made: dict[str, Any]) -> list[str]:
    """Tell what was done to the numbers before training."""
    told = []
    used = made.get("n_genes_used")
    words = [word for word in ("transform", "scaling") if word in made]
    how = [f"{word}: {plain(made[word])}" for word in words]
    if used is not None or how:
        genes = f"{several(used, 'gene was', 'genes were')} used" if used is not None else "The values were prepared"
        told.append(f"{genes} ({'; '.join(how)})." if how else f"{genes}.")
    dropped = strings(made.get("dropped_constant"))
    if dropped:
        listed = ", ".join(dropped[:10]) + (", \N{HORIZONTAL ELLIPSIS}" if len(dropped) > 10 else "")
        told.append(f"{several(len(dropped), 'gene')} without variation left out: {listed}.")
    return told


def _training(sources: Sources) -> str:
    """Tell which model was trained, how large it is and how long it took."""
    model = sources.manifest.table("model")
    size = [
        several(model[key], noun)
        for key, noun in (("n_components", "latent feature"), ("n_parameters", "parameter"))
        if model.get(key) is not None
    ]
    members = model.get("members") or 1
    sentence = f"An ensemble of {members} models, each a" if members > 1 else "A"
    sentence += f" {model_words(model)}"
    if size:
        joined = "" if sentence.endswith(",") else ","
        sentence += f"{joined} together with {' and '.join(size)}," if members > 1 else f" with {' and '.join(size)}"
    sentence += f" was trained for {several(len(_first_member(sources.history)[0]), 'epoch')}"
    if model.get("second_round"):
        anew = ", ".join(plain(value) for value in model["second_round"])
        sentence += f", to choose their number, and then anew for {anew} on all training samples"
    seconds = next((v for k, v in sources.manifest.table("timings").items() if k in ("train", "training", "fit")), None)
    if seconds is None:
        return sentence + "."
    if sources.manifest.at("resumed"):
        return sentence + f". It was interrupted and went on; the last part took {duration(seconds)}."
    return sentence + f", which took {duration(seconds)}."


def data_facts(manifest: Record) -> Facts:
    """List what identifies the data."""
    data = manifest.table("data")
    names = {
        "name": "Name",
        "path": "File",
        "sha256": "SHA-256",
        "labels_sha256": "SHA-256 of the labels",
        "n_samples": "Samples",
        "n_genes": "Genes",
        "label_column": "Labels",
    }
    return [(word, number(data[key])) for key, word in names.items() if data.get(key) not in (None, "")]


def score_rows(metrics: Metrics) -> list[dict[str, Any]]:
    """Give the scores as rows: name, which way is better, and each method's value with a mark on the best.

    Methods whose values read the same share the mark; if all read the same nobody is marked.
    """
    better, units, rows = metrics.table("better"), metrics.table("units"), []
    for name, values in metrics.table("table").items():
        found = [values.get(method) if isinstance(values, dict) else None for method in metrics.methods]
        shown = [number(value) for value in found]
        known = [v for v in found if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
        way = better.get(name)
        best = number(min(known) if way == "lower" else max(known)) if known and way in ("lower", "higher") else None
        marks = [text == best for text in shown]
        if all(marks):
            marks = [False] * len(marks)
        unit = f" ({units[name]})" if units.get(name) else ""
        rows.append({"name": f"{name}{unit}", "better": way, "values": list(zip(shown, marks, strict=True))})
    return rows


def gene_rows(signatures: list[dict[str, str]], n_features: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Give the strongest genes of each feature, the first features apart from the rest; empty without signatures.

    Of `n_features` those that have no gene of high weight are rows, too.
    Features of an ensemble have a stability as well; of a single model it is an empty text.
    """
    features: dict[str, list[tuple[float, str]]] = {}
    stability = {row["feature"]: number(parse(row["stability"])) for row in signatures if row.get("stability")}
    for row in signatures:
        loading = parse(row["loading"])
        if math.isfinite(loading):
            features.setdefault(row["feature"], []).append((loading, row["gene"]))
    rows, prefix = [], next(iter(features), "").rpartition("_")[0]
    every = [f"{prefix}_{i + 1}" for i in range(n_features)]
    names = every if features and features.keys() <= set(every) else list(features)
    for feature in names:
        genes = features.get(feature, [])
        up = [gene for loading, gene in sorted(genes, key=lambda pair: -pair[0]) if loading > 0]
        down = [gene for loading, gene in sorted(genes, key=lambda pair: pair[0]) if loading < 0]
        known = stability.get(feature, "")
        rows.append({"feature": feature, "stability": known, "up": up[:GENES_SHOWN], "down": down[:GENES_SHOWN]})
    return {"first": rows[:FEATURES_SHOWN], "rest": rows[FEATURES_SHOWN:]} if rows else {}


def training_facts(sources: Sources) -> Facts:
    """List how the training ended."""
    history, members = _first_member(sources.history)
    facts = [("Members, of which the first is told here", number(members))] if members > 1 else []
    facts.append(("Epochs", number(len(history))))
    if history:
        first, last = history[0], history[-1]
        facts.append(("Training loss, first and last epoch", _pair(first.get("loss"), last.get("loss"))))
        if "val_loss" in last:
            facts.append(("Validation loss, first and last epoch", _pair(first["val_loss"], last["val_loss"])))
            weights = [parse(row.get("val_beta") or row.get("beta")) for row in history]
            full = max(filter(math.isfinite, weights), default=math.nan)
            # Before the KL term has its full weight a loss cannot be compared with later ones.
            known = [row for row, beta in zip(history, weights, strict=True) if not math.isfinite(beta) or beta == full]
            pairs = [(parse(row["val_loss"]), row.get("epoch", "")) for row in known]
            pairs = [pair for pair in pairs if math.isfinite(pair[0])]
            if pairs:
                lowest, epoch = min(pairs)
                since = " with the full weight of the KL term" if len(known) < len(history) else ""
                facts.append((f"Lowest validation loss{since}", f"{number(lowest)} at epoch {plain(epoch)}"))
    model = sources.manifest.table("model")
    if model.get("second_round"):
        epochs = ", ".join(plain(value) for value in model["second_round"])
        facts.append(("Epochs of the second round, on all training samples", epochs))
    parameters = sources.manifest.table("model", "parameters")
    if parameters.get("hidden") == []:  # no layer has it
        parameters = {key: value for key, value in parameters.items() if key != "activation"}
    facts += [(str(key), plain(value)) for key, value in parameters.items()]
    return facts


def _first_member(history: list[dict[str, str]]) -> tuple[list[dict[str, str]], int]:
    """The epochs of the first member of an ensemble, and how many members there are; a single model is one."""
    members = {row.get("member", "0") for row in history}
    return [row for row in history if row.get("member", "0") == "0"], max(len(members), 1)


def _pair(first: str | None, last: str | None) -> str:
    return f"{number(parse(first))} \N{RIGHTWARDS ARROW} {number(parse(last))}"


def repeat_facts(manifest: Record) -> dict[str, Any]:
    """Give what is needed to repeat the run: command, seed, versions, times."""
    command = manifest.at("command")
    return {
        "command": shlex.join(map(str, command)) if isinstance(command, list) else manifest.text("command"),
        "seed": number(manifest.at("seed")),
        "sha256": manifest.text("data", "sha256", default="not recorded"),
        "platform": manifest.text("platform"),
        "versions": [(name, plain(version)) for name, version in manifest.table("versions").items()],
        "timings": [(name, duration(seconds)) for name, seconds in manifest.table("timings").items()],
    }


def limits(sources: Sources) -> list[str]:
    """List what the numbers of this report do not show."""
    manifest, metrics = sources.manifest, sources.metrics
    held_out = metrics.at("n_test") if metrics.at("n_test") is not None else manifest.at("split", "test")
    methods = {row.get("method", "") for row in read_rows(sources.run / "evaluation.tsv")}
    others = sorted(methods - {"pca", "", manifest.text("model", "family"), manifest.text("model", "name")})
    elsewhere = " Those in evaluation.tsv come from several." if methods else ""
    size = f", which left {several(held_out, 'held-out sample')}" if held_out is not None else ""
    told = [
        f"How much the scores vary. They come from one split of the data{size}, and from one training with one seed "
        f"({number(manifest.at('seed'))}). Another split or seed gives other numbers, and small differences may change "
        f"sign.{elsewhere}",
        "How the model does on data from elsewhere. The held-out samples come from the same source as the training "
        "samples.",
        "Whether a third method would do better. The comparison here is with PCA at equal size only"
        + (
            f"; evaluation.tsv has {' and '.join(others)}, too, on several divisions of the samples." if others else "."
        ),
    ]
    if not (sources.run / "interpretation" / "replication.tsv").is_file():
        told.append(
            "Whether other samples would give the same features: 'latentome replicate' trains on halves to see."
        )
    if metrics.table("by_class"):
        told.append(
            "How sure the error of a rare class is. A class with few held-out samples has an error that chance decides."
        )
    told += [
        "How far apart groups are. In a t-SNE map neighbours mean something; the size of a group, its density and the "
        "distance between groups do not.",
        "What a feature causes. Its genes are those with the largest loadings; they move together with the feature, no "
        "more. The sign and the number of a feature are arbitrary, and change from one training to the next.",
    ]
    return told + strings(metrics.at("notes"))
