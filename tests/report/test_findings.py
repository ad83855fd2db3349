"""What a report says was found, and whether everyone can read it."""

import json
import re
from importlib.resources import files

import h5py
import numpy as np
import pytest

from latentome.io import RunFolder
from latentome.report.content import gene_rows, limits, steps
from latentome.report.findings import agreement, findings, label_rows, overlap_rows
from latentome.report.meaning import read_meaning
from latentome.report.sources import Metrics, Record, read_sources
from latentome.report.summary import summarise
from latentome.tl.evaluate import STAYED_PCA

EVIL = "<script>alert(1)</script>"


def write(path, *rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def run(tmp_path):
    """An ensemble of two members with two features each, of which the report knows everything."""
    folder = tmp_path / "run"
    (folder / "interpretation").mkdir(parents=True)
    model = {"name": "tybalt-2018-as-described", "family": "vae", "title": "VAE", "n_components": 4, "members": 2}
    metrics = {"methods": ["VAE", "PCA"], "table": {}, "by_class": {}}
    metrics["by_class"] = {EVIL: {"VAE": 0.5}, "BRCA": {"VAE": 0.25}, "SKCM": {"VAE": None}, "LAML": {"VAE": 0.3}}
    metrics["difference"] = {"PCA": {"mean": 1.0, "low": 0.5, "high": 2.0}}
    (folder / "manifest.json").write_text(json.dumps({"model": model, "data": {"name": "d"}}), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (folder / "config.toml").write_text("seed = 0\n", encoding="utf-8")
    write(folder / "history.tsv", ("epoch", "loss", "member"), (1, 2, 0), (2, 1, 0), (1, 2, 1), (2, 1, 1))
    write(folder / "latent.tsv", ("sample", "vae_1"), ("s", 1))
    write(folder / "signatures.tsv", ("feature", "gene", "loading", "stability"), (2, "A", 0.5, 0.9))
    tables = folder / "interpretation"
    heads = ("feature", "stability", "q_column", "set_positive", "q_set_positive", "set_negative", "q_set_negative")
    rows = [("vae_1", 0.95, 0.001, EVIL, 0.01, "", ""), ("vae_2", 0.9, 0.2, "S2", 0.3, "S3", 0.001)]
    rows += [("vae_3", 0.6, 0.05, "", "", "", ""), ("vae_4", "", 1, "", "", "", "")]
    write(tables / "features.tsv", heads, *rows)
    heads = ("column", "level", "feature", "measure", "effect", "p", "q")
    rows = [("type", "BRCA", "vae_1", "AUROC", 0.02, 1e-9, 1e-8), ("age", "", "vae_3", "Spearman", 0.4, 1e-5, 0.01)]
    write(tables / "columns.tsv", heads, *rows, ("sex", "male", "vae_2", "AUROC", 0.6, 0.5, 0.9))
    heads = ("feature", "support", "size", "correlation", "of")
    write(
        tables / "consensus.tsv", heads, ("consensus_1", 0.999, 2, 0.99, "vae_1,vae_3"), ("consensus_2", 0.5, 1, 1, "a")
    )
    write(tables / "similarity.tsv", ("one", "other", "cka", "svcca"), (0, 1, 0.75, 0.5))
    heads = ("one", "other", "shared", "jaccard", "p", "q")
    write(
        tables / "overlap.tsv",
        heads,
        ("vae_1pos", "vae_3neg", 9, 0.5, 0, 0),
        ("vae_1pos", "vae_2pos", 1, 0.1, 0.9, 0.9),
    )
    return folder


def test_what_was_found_is_told_with_its_numbers(run):
    said = findings(read_sources(RunFolder(run)))
    assert said == [
        f"Of 3 classes, the VAE gives back BRCA best and {EVIL} worst (held-out mean squared error 0.250 and 0.500).",
        "2 of 3 features are found again with another seed: the other members of the ensemble have one that correlates "
        "with it by 0.7 or more on average (middle value 0.900). All members see the same samples, and have the same "
        "start where they start from PCA: features of pure noise are found again, too, and other samples may give "
        "others. 'latentome replicate' tells which come again.",
        "The members agree on 2 consensus features; 1 of them are found in every member.",
        "2 of 4 features go with a label or another column, at a false discovery rate of at most 5\N{NO-BREAK SPACE}%. "
        "The surest: vae_1 is lower in type = BRCA (AUROC 0.0200); vae_3 goes with age (Spearman 0.400).",
        "2 of 4 features have a gene set among their high-weight genes, at a false discovery rate of at most "
        f"5\N{NO-BREAK SPACE}%. The surest: S3 in vae_2 (q = 0.001); {EVIL} in vae_1 (q = 0.01).",
        "1 pair of signatures shares more genes than chance gives two of their lengths, counting how many other "
        "signatures each gene is in (at a false discovery rate of at most 5\N{NO-BREAK SPACE}%).",
        "These counts are of all 2 members together: what several of them have learned counts several times, and "
        "copies share their genes.",
    ]


def test_features_that_come_again_are_told_beside_pca_and_chance(run):
    rows = [("vae", 0.9, True, 0.95), ("vae", 0.6, False, 0.75), ("PCA", 0.95, True, 1), ("PCA", 0.8, True, 1)]
    rows += [("PCA of shuffled genes", 0.75, True, 0), ("PCA of shuffled genes", 0.3, False, 0)]
    rows = [(*row, 6) for row in rows]
    unknown = "Whether other samples would give the same features"
    assert any(sentence.startswith(unknown) for sentence in limits(read_sources(RunFolder(run))))
    heads = ("method", "replication", "again", "explained", "models", "feature")
    named = [(*row, f"{row[0]}_{i % 2 + 1}") for i, row in enumerate(rows)]
    write(run / "interpretation" / "replication.tsv", heads, *named)
    said = findings(read_sources(RunFolder(run)))[3]
    assert said == (
        "1 of 2 features of the VAE come again where it is trained on half of the samples from another seed (6 "
        "models): they correlate by 0.728 or more on average with a feature of such a model, on samples that it has "
        "not seen. Of PCA's components 2 of 2 do, and 1 of 2 where genes are shuffled, so that only their variances "
        "are left. All features of such a model together explain 85\N{NO-BREAK SPACE}% of one on average."
    )
    assert not any(sentence.startswith(unknown) for sentence in limits(read_sources(RunFolder(run))))
    meaning = read_meaning(RunFolder(run), ["vae_1", "vae_2"])
    assert [one["replication"] for one in meaning.values()] == ["0.900", "0.600 (no)"]


def test_what_the_members_agree_on_is_a_table(run):
    assert agreement(run)["groups"][0] == {
        "name": "consensus_1", "support": "100\N{NO-BREAK SPACE}%", "correlation": "0.990", "of": "vae_1, vae_3"
    }  # fmt: skip
    assert agreement(run)["members"] == [{"pair": "1 and 2", "values": ["0.750", "0.500"]}]
    pair = {"pair": "positive genes of vae_1 and negative genes of vae_3", "shared": "9", "jaccard": "0.500"}
    assert overlap_rows(run) == [pair | {"q": "below 1e-300"}]


def test_what_nobody_looked_for_is_not_told(run):
    for path in (run / "interpretation").iterdir():
        path.unlink()
    (run / "interpretation").rmdir()
    said = findings(read_sources(RunFolder(run)))
    assert [sentence.split()[0] for sentence in said] == ["Of", "1"]  # the classes; the stability that predict knows
    assert agreement(run) == {"groups": [], "members": []}
    assert read_meaning(RunFolder(run), ["vae_1", "vae_2"])["vae_2"]["stability"] == "0.900"


def test_a_model_is_called_by_what_it_is(run):
    sources = read_sources(RunFolder(run))
    told = next(sentence for sentence in steps(sources) if "epoch" in sentence)
    assert told == (
        "An ensemble of 2 models, each a variational autoencoder (VAE), as in tybalt-2018-as-described, together with "
        "4 latent features, was trained for 2 epochs."
    )
    summary = summarise(sources)
    assert summary["learned"][0].startswith("The VAE has learned to describe")
    assert "better than the VAE" in summary["beats"][0]
    assert summary["next"][0][1] is None  # it was a call from Python
    for other in ("latentome reproduce tybalt --data tcga-6", "latentome.run('a\"b\\'c')"):
        known = {"command": other, "model": MODEL}
        again = sources._replace(manifest=Record({**sources.manifest.values, **known}))
        assert summarise(again)["next"][0][1] is None
    known = {"command": "latentome run my.tsv --labels l.tsv -z 4 -e 50 --replace -o old", "model": MODEL}
    again = summarise(sources._replace(manifest=Record({**sources.manifest.values, **known})))["next"][0][1]
    assert again == f"latentome run my.tsv --labels l.tsv -z 4 -e 100 -o {run.name}-longer"


def test_more_epochs_are_advised_only_where_those_before_were_not_too_many(run):
    """The loss of the VAE rises with the weight of its KL term: that is no overfitting."""
    sources = read_sources(RunFolder(run))

    def advice(best, last=20, **parameters):
        known = {"command": "latentome run my.tsv -e 20", "model": {**MODEL, "parameters": parameters}}
        losses = {epoch: abs(epoch - best) for epoch in range(1, last + 1)} | {1: -9}
        rows = [
            {"epoch": str(epoch), "loss": "1", "val_loss": str(loss), "val_beta": str(min(epoch / 2, 1))}
            for epoch, loss in losses.items()
        ]
        return summarise(sources._replace(manifest=Record({**sources.manifest.values, **known}), history=rows))["next"][
            0
        ]

    assert advice(19, max_epochs=20)[1] == f"latentome run my.tsv -e 40 -o {run.name}-longer"
    said, command = advice(12, max_epochs=20)
    assert command == f"latentome run my.tsv -e 20 --patience 20 -o {run.name}-patience"
    assert "lowest at epoch 12 of 20" in said
    assert "(-e 12)" in said
    assert "another chance with more" not in said
    said, command = advice(5, max_epochs=90, patience=9)
    assert command is None
    assert "other sizes" in said
    assert "--patience" not in said


def test_a_training_that_went_wrong_is_called_that_and_gets_a_lower_learning_rate(run):
    sources = read_sources(RunFolder(run))
    known = {"command": "latentome run my.tsv -l 0.5", "model": {**MODEL, "parameters": {"learning_rate": 0.5}}}
    numbers = {"mean": 9.0, "low": 8.0, "high": 10.0, "percent": 9876.5, "percent_low": 8000.0, "percent_high": 1e5}
    metrics = {"table": {"variance explained": {"VAE": -1.5}}, "difference": {"PCA": numbers}, "n_test": 50}
    wrong = sources._replace(
        manifest=Record({**sources.manifest.values, **known}), metrics=Metrics({**sources.metrics.values, **metrics})
    )
    rows = [{"epoch": str(epoch), "reconstruction": str(error)} for epoch, error in ((1, 1.0), (2, 7.0))]
    wrong = wrong._replace(history=rows)
    told = summarise(wrong)
    assert told["learned"][-1].endswith("it was trained too little, or its training went wrong.")
    assert "9,880\N{NO-BREAK SPACE}% higher" in told["beats"][0]
    assert "+8,000\N{NO-BREAK SPACE}% to +100,000\N{NO-BREAK SPACE}%" in told["beats"][0]
    assert told["next"][0][1] == f"latentome run my.tsv -l 0.05 -o {run.name}-slower"
    early = wrong._replace(history=rows[::-1][:1] + [{"epoch": "3", "reconstruction": "2.0"}])
    assert "lower learning rate" not in summarise(early)["next"][0][0], "it only had too few epochs"


MODEL = {"name": "vae", "family": "vae", "parameters": {"max_epochs": 50}}
NUMBERS = {"mean": -0.1, "low": -0.2, "high": -0.05, "percent": -10.0, "percent_low": -20.0, "percent_high": -5.0}


@pytest.mark.parametrize(
    ("difference", "n_test", "verdict", "word", "said"),
    [
        ({}, 50, [], "Yes", "10.0\N{NO-BREAK SPACE}% lower"),
        ({}, 2, [], "Too few samples to tell", "2 held-out samples cannot"),
        ({"percent_low": -0.01, "percent_high": 0.01}, 50, [], "No", "equally well."),
        ({}, 50, [STAYED_PCA], "It is PCA", "nothing beyond PCA"),
        ({"high": 0.05, "percent_high": 5.0}, 50, [], "Undecided", "about equally well"),
    ],
)
def test_the_first_screen_answers_as_the_verdict_does(run, difference, n_test, verdict, word, said):
    sources = read_sources(RunFolder(run))
    model = sources.metrics.methods[0]
    told = {
        "methods": [model, "PCA"],
        "table": {"probe accuracy": {model: 0.9, "PCA": 0.8}},
        "difference": {"PCA": {**NUMBERS, **difference}},
        "majority": {"class": "control", "share": 0.9},
        "n_test": n_test,
        "verdict": verdict,
    }
    manifest = {**sources.manifest.values, "data": {"label_column": "kind"}, "model": MODEL}
    summary = summarise(sources._replace(metrics=Metrics(told), manifest=Record(manifest)))
    assert summary["answer"] == word
    assert said in summary["beats"][0]
    assert "Always saying 'control' would be right for 90.0\N{NO-BREAK SPACE}%." in " ".join(summary["learned"])


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_text_stands_out_from_what_is_behind_it():
    """WCAG 2.2, AA: 4.5 to 1 for text, 3 to 1 for the edges of controls and what is no text."""
    style = files("latentome.report").joinpath("report.css").read_text(encoding="utf-8")
    themes = [
        dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    light, dark, paper = themes
    for colors in (light, dark, {**light, **paper}):
        for text in ("ink", "soft", "link"):
            assert min(contrast(colors[text], colors[back]) for back in ("page", "tint")) >= 4.5, (text, colors)
        assert contrast("#ffffff", colors["mark"]) >= 4.5
        assert contrast(colors["mark"], colors["tint"]) >= 3
        assert contrast(colors["edge"], colors["page"]) >= 3


def test_the_samples_of_each_class_are_counted(run):
    import anndata
    import pandas as pd

    assert label_rows(RunFolder(run), "type") == []
    obs = pd.DataFrame(
        {"type": ["B", "A", "B", None], "age": [1.0, 2, 3, 4], "split": ["train", "test", "test", "train"]}
    )
    obs.index = list("abcd")
    anndata.AnnData(obs=obs).write_h5ad(run / "latent.h5ad")
    assert label_rows(RunFolder(run), "type") == [("A", 0, 1), ("B", 1, 1), ("not known", 1, 0)]
    assert label_rows(RunFolder(run), "age") == []


def test_an_ensemble_that_stayed_pca_may_lose_to_as_many_components_as_all_its_members_have(run):
    sources = read_sources(RunFolder(run))
    numbers = {"mean": 0.1, "low": 0.05, "high": 0.2, "percent": 64.3, "percent_low": 59.5, "percent_high": 69.8}
    told = {"methods": ["VAE", "PCA"], "table": {}, "difference": {"PCA": numbers}, "n_test": 50}
    summary = summarise(sources._replace(metrics=Metrics({**told, "verdict": [STAYED_PCA]})))
    assert sources.manifest.at("model", "members") == 2
    assert summary["answer"] == "No"
    assert "64.3" in summary["beats"][0]


def test_features_without_genes_are_rows_and_the_surest_column_is_the_first(run):
    rows = gene_rows([{"feature": "vae_2", "gene": "TP53", "loading": "1.5"}], 3)["first"]
    assert [(row["feature"], row["up"]) for row in rows] == [("vae_1", []), ("vae_2", ["TP53"]), ("vae_3", [])]
    heads = ("feature", "column", "level", "measure", "effect", "p", "q")
    found = [("vae_1", "type", "BRCA", "AUROC", 0.99, 1e-9, 1e-8), ("vae_1", "age", "", "Spearman", 0.6, 1e-80, 1e-79)]
    write(run / "interpretation" / "associations.tsv", heads, *found)
    first, second = read_meaning(RunFolder(run), ["vae_1"])["vae_1"]["columns"]
    assert first.startswith("age (Spearman")
    assert second.startswith("type = BRCA")


def test_other_methods_are_named_only_where_they_were_compared(run):
    third, varies = "Whether a third method would do better", "How much the scores vary"

    def said(start):
        return next(text for text in limits(read_sources(RunFolder(run))) if text.startswith(start))

    write(run / "evaluation.tsv", ("method", "fold"), ("vae", 0), ("pca", 0))
    assert "evaluation.tsv" not in said(third)
    assert said(varies).endswith("Those in evaluation.tsv come from several.")
    write(run / "evaluation.tsv", ("method", "fold"), ("vae", 0), ("pca", 0), ("nmf", 0))
    assert "evaluation.tsv has nmf, too" in said(third)


def test_silent_features_are_told(run):
    sources = read_sources(RunFolder(run))
    assert not any("tell nothing" in text for text in summarise(sources)["learned"])
    codes = np.arange(12, dtype=np.float32).reshape(3, 4)
    codes[:, :2] = 0.0
    with h5py.File(run / "latent.h5ad", "w") as file:
        file["obsm/X_vae"] = codes
    told = summarise(sources)["learned"]
    assert any(text.startswith("2 of these features have the same value in every sample") for text in told)


def test_what_to_do_next_names_what_was_not_done(run):
    def commands():
        return " ".join(command or "" for _, command in summarise(read_sources(RunFolder(run)))["next"])

    assert "replicate" in commands()
    assert "interpret" not in commands()
    (run / "interpretation" / "features.tsv").unlink()  # 'dimensions' or 'replicate' have made the folder
    assert "interpret" in commands()
