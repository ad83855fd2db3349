"""What was found, in sentences and tables: classes, covariates, gene sets, what members of an ensemble agree on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from latentome.io import RunFolder
from latentome.report.explorer import read_encoded
from latentome.report.meaning import RATE, q_text, read_rows
from latentome.report.sources import Sources
from latentome.report.wording import number, parse, several, the_model
from latentome.tl.consensus import SIMILAR
from latentome.tl.replication import CHANCE, PCA, least_to_be_found

#: The error of fewer held-out samples of a class is chance.
FEW = 5
#: Pairs of signatures and consensus features that are shown before the rest is folded away, and examples in a sentence.
PAIRS_SHOWN, EXAMPLES = 12, 3
_RATE = f"a false discovery rate of at most {100 * RATE:.0f}\N{NO-BREAK SPACE}%"


def findings(sources: Sources) -> list[str]:
    """Tell in sentences what was found in the data; what 'interpret' has not looked for is not told."""
    folder = sources.run / "interpretation"
    told = _classes(sources) + _stability(sources, folder) + _replication(sources, folder)
    features = read_rows(folder / "features.tsv")
    if features:
        told += _covariates(features, read_rows(folder / "columns.tsv")) + _gene_sets(features)
    pairs = overlap_rows(sources.run)
    if pairs:
        told.append(
            f"{several(len(pairs), 'pair')} of signatures share{'s' * (len(pairs) == 1)} more genes than chance gives "
            f"two of their lengths, counting how many other signatures each gene is in (at {_RATE})."
        )
    members = sources.manifest.at("model", "members") or 1
    if members > 1 and features:
        told.append(
            f"These counts are of all {members} members together: what several of them have learned counts several "
            "times, and copies share their genes."
        )
    return told


def label_rows(run: RunFolder, column: str) -> list[tuple[str, int, int]]:
    """Count the samples of each class: its name, how many the model was trained on, and how many were held out.

    There are no rows without ``latent.h5ad``, and of a column that is none or holds numbers.
    """
    from latentome.pl.inputs import categories_of, is_numeric

    obs = read_encoded(run).obs if run.h5ad.exists() else {}
    if column not in obs or "split" not in obs or is_numeric(obs[column]):
        return []
    trained = obs["split"].astype(str) == "train"
    rows = [(str(name), obs[column] == name) for name in categories_of(obs[column])]
    missing = obs[column].isna()
    if missing.any():
        rows.append(("not known", missing))
    return [(name, int((here & trained).sum()), int((here & ~trained).sum())) for name, here in rows]


def _classes(sources: Sources) -> list[str]:
    """Which classes the model gives back best and worst."""
    methods = sources.metrics.methods
    held_out = sources.metrics.table("n_by_class")
    rows = [
        (row["values"][0], row["class"])
        for row in sources.metrics.by_class()
        if methods and held_out.get(row["class"], FEW) >= FEW
    ]
    rows = sorted((value, name) for value, name in rows if isinstance(value, int | float) and math.isfinite(value))
    if len(rows) < 2:
        return []
    (least, easiest), (most, hardest) = rows[0], rows[-1]
    named = several(len(rows), "class", "classes")
    if held_out:
        named += f" with {FEW} held-out samples or more"
    return [
        f"Of {named}, {the_model(sources)} gives back {easiest} best and {hardest} worst (held-out mean squared error "
        f"{number(float(least))} and {number(float(most))})."
    ]


def _stability(sources: Sources, folder: Path) -> list[str]:
    """How many features are found again by other members of an ensemble."""
    rows = read_rows(folder / "features.tsv") or sources.signatures  # which lack the features without a gene
    known = {row["feature"]: parse(row.get("stability")) for row in rows}
    values = sorted(value for value in known.values() if math.isfinite(value))
    told = []
    if values:
        again = sum(value >= SIMILAR for value in values)
        told.append(
            f"{again:,} of {several(len(values), 'feature')} are found again with another seed: the other members of "
            f"the ensemble have one that correlates with it by {SIMILAR} or more on average (middle value "
            f"{number(values[len(values) // 2])}). All members see the same samples, and have the same start where "
            "they start from PCA: features of pure noise are found again, too, and other samples may give "
            "others. 'latentome replicate' tells which come again."
        )
    groups = read_rows(folder / "consensus.tsv")
    if groups:
        members = sources.manifest.at("model", "members") or max(parse(row.get("size")) for row in groups)
        whole = sum(parse(row.get("size")) >= members for row in groups)
        told.append(
            f"The members agree on {several(len(groups), 'consensus feature')}; {whole:,} of them are found in every "
            "member."
        )
    return told


def _replication(sources: Sources, folder: Path) -> list[str]:
    """How many features come again in models of other samples, of the model, of PCA, and by chance."""
    methods: dict[str, list[dict[str, str]]] = {}
    for row in read_rows(folder / "replication.tsv"):
        methods.setdefault(row["method"], []).append(row)
    if not {PCA, CHANCE} < set(methods):
        return []
    counts = {name: sum(row["again"] == "True" for row in rows) for name, rows in methods.items()}
    name, rows = next(iter(methods.items()))
    least = least_to_be_found([parse(row["replication"]) for row in methods[CHANCE]])
    explained = sum(parse(row["explained"]) for row in rows) / len(rows)
    return [
        f"{counts[name]:,} of {several(len(rows), 'feature')} of {the_model(sources)} come again where it is trained "
        f"on half of the samples from another seed ({several(int(rows[0]['models']), 'model')}): they correlate by "
        f"{number(least)} or more on average with a feature of such a model, on samples that it has not seen. Of PCA's "
        f"components {counts[PCA]:,} of {len(methods[PCA]):,} do, and {counts[CHANCE]:,} of {len(methods[CHANCE]):,} "
        f"where genes are shuffled, so that only their variances are left. All features of such a model together "
        f"explain {100 * explained:.0f}\N{NO-BREAK SPACE}% of one on average."
    ]


def _covariates(features: list[dict[str, str]], columns: list[dict[str, str]]) -> list[str]:
    """How many features go with what is known of the samples, and the closest ties."""
    if not columns:
        return []
    sure = [row for row in features if parse(row.get("q_column")) <= RATE]
    go = "goes" if len(sure) == 1 else "go"
    told = f"{len(sure):,} of {several(len(features), 'feature')} {go} with a label or another column, at {_RATE}"
    best = sorted((row for row in columns if parse(row.get("q")) <= RATE), key=lambda row: parse(row.get("p")))
    return [told + (f". The surest: {'; '.join(map(_tie, best[:EXAMPLES]))}." if best else ".")]


def _tie(row: dict[str, str]) -> str:
    """A feature and what it goes with; of a class, whether its samples have higher or lower values."""
    effect, what = parse(row.get("effect")), row["column"] + (f" = {row['level']}" if row.get("level") else "")
    way = "goes with" if row.get("measure") != "AUROC" else "is higher in" if effect > 0.5 else "is lower in"
    return f"{row['feature']} {way} {what} ({row.get('measure', 'effect')} {number(effect)})"


def _gene_sets(features: list[dict[str, str]]) -> list[str]:
    """How many features have a gene set among their high-weight genes, and the surest ones."""
    sides = [side for side in ("positive", "negative") if f"set_{side}" in features[0]]
    if not sides:
        return []
    sure = [(parse(row[f"q_set_{side}"]), row["feature"], row[f"set_{side}"]) for row in features for side in sides]
    sure = sorted(found for found in sure if found[0] <= RATE)
    if not sure:
        return [f"No gene set is over-represented among the high-weight genes of a feature, at {_RATE}."]
    listed = "; ".join(f"{name} in {feature} (q = {q_text(str(q))})" for q, feature, name in sure[:EXAMPLES])
    with_a_set = len({feature for _, feature, _ in sure})
    has = "has" if with_a_set == 1 else "have"
    return [
        f"{with_a_set:,} of {several(len(features), 'feature')} {has} a gene set among "
        f"their high-weight genes, at {_RATE}. The surest: {listed}."
    ]


def agreement(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Give what the members of an ensemble agree on as rows: ``groups`` of their features, and ``members`` in pairs."""
    folder = run / "interpretation"
    groups = [
        {
            "name": row["feature"],
            "support": f"{100 * parse(row.get('support')):.0f}\N{NO-BREAK SPACE}%",
            "correlation": number(parse(row.get("correlation"))),
            "of": row.get("of", "").replace(",", ", "),
        }
        for row in read_rows(folder / "consensus.tsv")
    ]
    members = [
        {
            "pair": f"{int(parse(row['one'])) + 1} and {int(parse(row['other'])) + 1}",
            "values": [number(parse(row.get(name))) for name in ("cka", "svcca")],
        }
        for row in read_rows(folder / "similarity.tsv")
    ]
    return {"groups": groups, "members": members}


def overlap_rows(run: Path) -> list[dict[str, str]]:
    """Give the pairs of signatures that share more genes than chance makes them, the surest first."""
    return [
        {
            "pair": f"{_signature(row['one'])} and {_signature(row['other'])}",
            "shared": number(int(parse(row.get("shared")))),
            "jaccard": number(parse(row.get("jaccard"))),
            "q": q_text(row.get("q")),
        }
        for row in read_rows(run / "interpretation" / "overlap.tsv")
        if parse(row.get("q")) <= RATE
    ]


def _signature(name: str) -> str:
    """Side and feature of a signature, of which tables write ``vae_3pos``."""
    sides = {"pos": "positive genes of ", "neg": "negative genes of "}
    return sides.get(name[-3:], "") + (name[:-3] if name[-3:] in sides else name)
