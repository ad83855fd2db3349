"""What the latent space means, from the command line: dimensions, generate, interpret, maps; and what is refused."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import anndata
import numpy as np
import pandas as pd
import pytest

from latentome import io
from latentome.cli.interpret import _show
from latentome.cli.main import run

from .conftest import OPTIONS


@pytest.fixture(scope="module")
def own(files, tmp_path_factory):
    """A run after ``predict`` that these tests may write into."""
    out = tmp_path_factory.mktemp("own") / "run"
    arguments = [f"{files}/expression.tsv", "--labels", f"{files}/labels.tsv", "-o", str(out), *OPTIONS]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert run(["train", *arguments]) == 0
        assert run(["predict", str(out)]) == 0
    return out


@pytest.fixture
def refused(latentome, own):
    """Run a command that must be refused and change nothing; give its message."""

    def _refused(*arguments: object) -> str:
        before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
        code, out, err = latentome(*arguments)
        assert (code, out) == (2, ""), err
        assert "Traceback" not in err
        assert "to do:" in err
        assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file()} == before
        return err

    return _refused


@pytest.fixture(scope="module")
def sets(simulated, tmp_path_factory):
    """A gene set for each factor: the genes that answer most to it."""
    path, strength = tmp_path_factory.mktemp("sets") / "factors.gmt", simulated.varm["loadings_true"]
    rows = [simulated.var_names[np.argsort(-column)[:8]] for column in strength.T]
    path.write_text("".join("\t".join([f"factor-{i}", "", *genes]) + "\n" for i, genes in enumerate(rows)))
    return path


def test_dimensions_recommend_a_size(own, latentome, sets):
    code, printed, told = latentome("dimensions", own, "-k", "2", "--gene-sets", sets)
    assert code == 0, told
    table = pd.read_csv(own / "interpretation" / "dimensions.tsv", sep="\t")
    assert list(table["size"]) == [2]
    assert {"error", "pca_error", "active", "stability", "probe", "sets", "pca_sets"} <= set(table)
    said = json.loads((own / "interpretation" / "dimensions.json").read_text())
    assert said["size"] == 2
    assert said["reason"] in printed
    assert "probe: mean AUROC" in printed
    assert "no probe" not in told


def test_replicate_says_which_features_come_again(finished, latentome, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    code, printed, told = latentome("replicate", copy, "--repeats", 1)
    assert code == 0, told
    table = pd.read_csv(copy / "interpretation" / "replication.tsv", sep="\t")
    assert table["method"].value_counts().to_dict() == {"vae": 5, "PCA": 5, "PCA of shuffled genes": 5}
    assert [line.split() for line in printed.splitlines() if line.startswith("vae ")][0][1:3] == [
        "5",
        str(table["again"][:5].sum()),
    ]
    assert (copy / "figures" / "replication.png").exists()
    assert latentome("report", copy)[0] == 0
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert f"{table['again'][:5].sum()} of 5 features of the VAE come again" in page
    assert "Comes again" in page


def test_halves_keep_the_groups_of_the_run_together(files, simulated, latentome, tmp_path, monkeypatch):
    from latentome import tl

    patients = np.repeat([f"P{i}" for i in range(60)], 2)
    labels = simulated.obs[["type"]].assign(patient=patients)
    io.write_table(tmp_path / "labels.tsv", labels)
    given = ["--labels", tmp_path / "labels.tsv", "--label-column", "type", "--group", "patient"]
    assert latentome("train", files / "expression.tsv", *given, "-o", tmp_path / "run", *OPTIONS)[0] == 0
    seen, whole = {}, tl.replication
    monkeypatch.setattr(
        tl, "replication", lambda x, *args, **how: seen.update(how, args=args) or whole(x, *args, **how)
    )
    code, _, told = latentome("replicate", tmp_path / "run", "--repeats", 1)
    assert code == 0, told
    assert seen["args"][1:] == (1, 1), "the repeats, and the seed of the run"
    assert pd.Series(seen["groups"]).value_counts().to_list() == [2] * 48, "both samples of each training patient"


def test_dimensions_say_why_there_is_no_probe(own, latentome, monkeypatch):
    monkeypatch.setattr("latentome.tl.probe.FOLDS", 1000)  # more held-out samples than any class has
    _, printed, told = latentome("dimensions", own, "-k", "2")
    assert "probe: mean AUROC" not in printed
    assert "There is no probe of the classes: fewer than two classes have 1000 held-out samples" in told


def test_interpret_says_where_nothing_is_beyond_chance(capsys):
    table = pd.DataFrame({"feature": ["vae_1"], "genes_positive": [3]})
    _show(table)
    assert capsys.readouterr().out.startswith("Nothing was tested: ")
    _show(table.assign(set_positive="S", q_set_positive=0.2))
    assert capsys.readouterr().out == "Nothing beyond chance.\n"
    _show(table.assign(set_positive="S", q_set_positive=0.2, stability=0.75))
    stable = capsys.readouterr().out.splitlines()
    assert stable[0].split() == ["feature", "stability"]
    assert stable[2] == "Nothing beyond chance."
    _show(table.assign(set_positive="S", q_set_positive=0.01))
    assert "Shown is what is beyond chance" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["mixture", "prior"])
def test_generated_samples_are_on_the_scale_of_the_data(own, latentome, tmp_path, simulated, source):
    out = tmp_path / "new.tsv"
    code, printed, told = latentome("generate", own, "-o", out, "-n", 30, "--from", source)
    assert code == 0, told
    table = io.read(out)
    assert table.shape == (30, 40)
    real = simulated[:, table.var_names].X
    assert np.corrcoef(table.X.mean(axis=0), real.mean(axis=0))[0, 1] > 0.9
    judged = json.loads((tmp_path / "new.tsv.json").read_text())
    assert f"AUROC {judged['AUROC']:.3f}" in printed
    assert latentome("generate", own, "-o", out)[0] == 2, "it is there already"


def test_interpret_compares_groups_and_joins_genes(own, latentome, sets):
    options = ["--gene-sets", sets, "--cutoff", 1.5, "--compare", "type,type-1,type-2", "--network", 0.9, "--rotate"]
    code, _, told = latentome(
        "interpret", own, *options, "--loadings", "integrated-gradients", "--columns", "type", "--rotate"
    )
    assert code == 0, told
    turned = pd.read_csv(own / "interpretation" / "turned_latent.tsv", sep="\t", index_col=0)
    assert turned.shape == (120, 5)
    assert set(pd.read_csv(own / "interpretation" / "turned_columns.tsv", sep="\t")["column"]) == {"type"}
    made = {path.name for path in (own / "interpretation").iterdir()}
    contrast = {"difference.tsv", "difference_genes.tsv", "differential_activity.tsv", "marginal_activity.tsv"}
    assert {"network.graphml", "signatures.tsv", *contrast} <= made
    assert latentome("interpret", own, "--gene-sets", sets)[0] == 0
    assert not contrast & {path.name for path in (own / "interpretation").iterdir()}, "not asked for again"


def test_the_map_has_its_own_settings_and_says_how_good_it_is(own, latentome):
    code, _, told = latentome("predict", own, "--perplexity", "5,20", "--map-init", "random")
    assert code == 0, told
    code, _, told = latentome("evaluate", own)
    assert code == 0, told
    judged = json.loads((own / "metrics.json").read_text())["maps"]["tsne_vae"]
    assert judged["perplexity"] == [5.0, 20.0]
    assert (judged["initialization"], judged["rng"]) == ("random", 1)
    assert 0.7 < judged["quality"]["trustworthiness"] <= 1.0
    assert "Map tsne_vae: trustworthiness" in told
    errors = pd.read_csv(own / "errors_by_gene.tsv", sep="\t")
    assert len(errors) == 40
    assert {"errors_by_class.tsv", "confusion.tsv"} <= {path.name for path in own.iterdir()}


def test_what_cannot_be_interpreted_is_refused(own, refused, tmp_path, simulated, files):
    few = pd.DataFrame({"one": "a", "lone": ["b"] + ["a"] * 119, "none": np.nan}, index=simulated.obs_names)
    io.write_table(tmp_path / "few.tsv", few.rename_axis("sample"))
    labels = ["interpret", own, "--labels", tmp_path / "few.tsv"]
    assert "every value is a" in refused(*labels, "--columns", "one")
    assert "every value is missing" in refused(*labels, "--columns", "none")
    assert "one sample" in refused(*labels, "--columns", "type", "--compare", "lone,a,b")
    assert "no column 'typ'" in refused("interpret", own, "--compare", "typ,a,b")
    assert "names no two groups" in refused("interpret", own, "--compare", "type,type-1")
    for content, message in ((b"a\tx\tG1\tG2\n", "was measured"), (b"a\tx\n", "Line 1"), (b"", "is empty")):
        (tmp_path / "bad.gmt").write_bytes(content)
        assert message in refused("interpret", own, "--gene-sets", tmp_path / "bad.gmt")
    assert "no loadings by" in refused("interpret", own, "--loadings", "decode")
    assert "no method 'ulmm'" in refused("interpret", own, "--enrichment", "ulmm")


def test_other_wrong_requests_are_refused(own, refused, tmp_path, files):
    assert "--members 1" in refused("dimensions", own, "--members", 1)
    assert "-k 0" in refused("dimensions", own, "-k", 0)
    assert "500 latent dimensions" in refused("dimensions", own, "-k", 500)
    assert "Did you mean 'prior'" in refused("generate", own, "-o", tmp_path / "x.tsv", "--from", "priory")
    assert "3 samples are too few" in refused("generate", own, "-o", tmp_path / "x.tsv", "-n", 3)
    assert "no perplexity" in refused("predict", own, "--perplexity", "many")
    assert "no preset 'tybalt'" in refused("predict", own, "--map-preset", "tybalt")
    assert "placed on the map that the run has" in refused("predict", own, files / "expression.tsv", "--umap")
    assert "Did you mean 'leiden'" in refused("evaluate", own, "--clustering", "leyden")
    assert "makes clusters by k-means alone" in refused("evaluate", own, "--folds", 2, "--clustering", "leiden")


def test_a_clinical_table_stays_with_the_run_whichever_column_is_the_label(files, tmp_path, latentome):
    """The other columns are associated as well; a name with a comma stands in quotes; too few classes are told."""
    samples = io.read(files / "expression.tsv").obs_names
    rng = np.random.default_rng(0)
    clinical = pd.DataFrame(
        {
            "type, main": ["common"] * (len(samples) - 2) + ["rare", "other"],
            "age": rng.integers(20, 80, len(samples)),
            "sex": rng.choice(["f", "m"], len(samples)),
            "time": rng.integers(1, 900, len(samples)),
            "dead": rng.integers(0, 2, len(samples)),
        },
        index=pd.Index(samples, name="sample"),
    )
    io.write_table(tmp_path / "clinical.tsv", clinical)
    labels = ["--labels", tmp_path / "clinical.tsv", "--label-column", "type, main"]
    code, _, told = latentome("run", files / "expression.tsv", *labels, "-o", tmp_path / "run", *OPTIONS)
    assert code == 0
    assert "held-out samples are all of the class 'common': metrics that need classes are left out" in told
    assert set(clinical.columns) <= set(anndata.read_h5ad(tmp_path / "run" / "latent.h5ad").obs.columns)
    code, _, told = latentome("interpret", tmp_path / "run", "--survival", "time,dead")
    assert code == 0
    assert "'type, main': 2 of 3 classes have fewer than 5 samples" in told
    tested = pd.read_csv(tmp_path / "run" / "interpretation" / "associations.tsv", sep="\t")
    assert set(tested["column"]) == {"age", "sex", "time"}
    code, _, told = latentome("interpret", tmp_path / "run", "--columns", 'age, "type, main"')
    assert code == 2
    assert "'type, main' cannot be associated" in told
    code, _, told = latentome("predict", tmp_path / "run", files / "expression.tsv", "-o", tmp_path / "new")
    assert code == 0
    assert "No classes are predicted: 1 of the" in told
    assert not (tmp_path / "new" / "classes.tsv").exists()
