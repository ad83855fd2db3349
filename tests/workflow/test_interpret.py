from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from latentome import io, tl
from latentome.errors import InputError
from latentome.io import RunFolder
from latentome.workflow import (
    draw_interpretation,
    evaluate_step,
    interpret_step,
    predict_step,
    prepare_again,
    train_step,
)
from latentome.workflow.contrast import _once_in_each


def read(path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", keep_default_na=False)


@pytest.fixture(scope="module")
def ensemble(config, tmp_path_factory):
    """A trained and encoded ensemble of three; tests that change it write into interpretation/ only."""
    from latentome.workflow import Reporter

    asked = replace(config, parameters={**config.parameters, "members": 3})
    folder, prepared = train_step(asked, str(tmp_path_factory.mktemp("runs") / "three"), Reporter(), command="")
    predict_step(folder, prepared, Reporter())
    return SimpleNamespace(run=folder, prepared=prepare_again(asked, folder))


@pytest.fixture
def gmt(simulated, tmp_path):
    """Two sets: the genes that answer most to the first factor, and every fourth gene."""
    strength = simulated.varm["loadings_true"][:, 0]
    top = [simulated.var_names[i] for i in np.argsort(-strength)[:8]]
    path = tmp_path / "sets.gmt"
    path.write_text(
        "\n".join("\t".join([n, "", *g]) for n, g in (("first", top), ("fourth", simulated.var_names[::4])))
    )
    return str(path)


def test_the_tables_say_what_the_features_mean(ensemble, simulated, gmt, tmp_path, told):
    rng = np.random.default_rng(0)
    more = pd.DataFrame(
        {"factor": simulated.obsm["X_true"][:, 0], "days": rng.exponential(size=120), "dead": 1},
        index=simulated.obs_names,
    )
    io.write_table(tmp_path / "more.tsv", more.rename_axis("sample"))
    table = interpret_step(
        ensemble.run,
        ensemble.prepared,
        told,
        labels=str(tmp_path / "more.tsv"),
        survival=[("days", "dead")],
        gene_sets=gmt,
        cutoff=1.5,
    )
    folder = ensemble.run.interpretation
    expected = {"features", "associations", "columns", "enrichment", "overlap", "similarity"}
    assert expected <= {path.stem for path in folder.iterdir()}
    assert len(table) == 15
    assert table["stability"].between(0, 1).all()
    assert list(table["member"]) == [0] * 5 + [1] * 5 + [2] * 5
    columns = read(folder / "columns.tsv")
    assert set(columns["column"]) == {"type", "factor", "days"}, "not the split"
    assert abs(columns.set_index("column").loc["factor", "effect"]) > 0.3
    associations = read(folder / "associations.tsv")
    assert len(associations) == (3 + 1 + 1) * 15
    assert set(read(folder / "enrichment.tsv")["set"]) <= {"first", "fourth"}
    assert set(read(folder / "features.tsv")["feature"]) == {f"vae_{i + 1}" for i in range(15)}
    signatures = read(ensemble.run.signatures)
    if len(signatures):
        known = table["stability"].to_numpy()
        np.testing.assert_allclose(signatures["stability"], known[signatures["feature"] - 1], atol=1e-6)
    drawn = {path.name for path in draw_interpretation(ensemble.run, told)}
    tables = {path.stem for path in folder.glob("*.tsv")}
    of_tables = {"enrichment": "enrichment", "overlap": "signature_overlap", "consensus": "consensus"}
    assert drawn == {f"{of_tables[name]}.png" for name in tables & set(of_tables)} | {
        "node_types.png",
        "stability.png",
        "similarity.png",
    }
    assert drawn <= {path.name for path in ensemble.run.figures.iterdir()}


def test_symbols_that_fit_no_set_are_said_and_a_file_of_the_users_is_refused(ensemble, told, gmt, tmp_path):
    interpret_step(ensemble.run, ensemble.prepared, told)
    assert any("name genes by symbols" in said and "the largest overlap is 0" in said for said in told.said)
    before = (ensemble.run.interpretation / "features.tsv").read_bytes()
    (tmp_path / "other.gmt").write_text("a\t\tTP53\tMYC\n")
    with pytest.raises(InputError, match="No gene set has a gene that was measured"):
        interpret_step(ensemble.run, ensemble.prepared, told, gene_sets=str(tmp_path / "other.gmt"))
    with pytest.raises(InputError, match="no column 'days'"):
        interpret_step(ensemble.run, ensemble.prepared, told, survival=[("days", "dead")])
    assert (ensemble.run.interpretation / "features.tsv").read_bytes() == before


def test_a_cutoff_holds_for_what_members_agree_on_too(ensemble, told, gmt, tmp_path):
    again = shutil.copytree(ensemble.run.path, tmp_path / "run")
    folder = RunFolder(again).interpretation
    interpret_step(RunFolder(again), ensemble.prepared, told, cutoff=1.0)
    assert read(folder / "signatures.tsv")["z"].abs().min() < 1.5
    consensus = read(folder / "consensus_signatures.tsv")
    assert len(consensus)
    assert 1.0 < consensus["z"].abs().min() < 1.5


def test_intervals_and_tests_of_a_grouped_run_count_patients(config, simulated, tmp_path, told):
    patients = np.repeat([f"p{i}" for i in range(40)], 3)
    labels = simulated.obs[["type"]].assign(patient=patients, age=np.repeat(np.arange(40.0), 3), part=[*"abc"] * 40)
    io.write_table(tmp_path / "labels.tsv", labels.rename_axis("sample"))
    asked = replace(config, labels=str(tmp_path / "labels.tsv"), label_column="type", group="patient", test_size=0.6)
    run, prepared = train_step(asked, str(tmp_path / "run"), told, command="")
    predict_step(run, prepared, told)
    metrics = evaluate_step(run, prepared, told)
    assert (metrics["n_test"], metrics["n_independent"]) == (72, 24)
    assert "over 72 samples of 24 groups" in metrics["verdict"][0]
    interpret_step(run, prepared, told, labels=str(tmp_path / "labels.tsv"), groups=("type", "type-1", "type-2"))
    encoded = anndata.read_h5ad(run.h5ad)
    known = labels.reindex(encoded.obs_names)
    adata = anndata.AnnData(np.zeros((120, 1)), obs=known, obsm={"X_vae": encoded.obsm["X_vae"]})
    once = _once_in_each(adata, known["patient"].to_numpy(), "type", "X_vae")
    expected = tl.group_difference(once, "X_vae", "type", "type-1", "type-2").set_index("feature")["p"]
    found = read(run.interpretation / "difference.tsv").set_index("feature")["p"]
    np.testing.assert_allclose(found[expected.index], expected, rtol=1e-3)
    n = read(run.interpretation / "associations.tsv").drop_duplicates("column").set_index("column")["n"]
    assert (n["age"], n["part"], n["type"]) == (40, 120, 84)
    assert any("Not the same within each group: 'type', 'part'" in said for said in told.said)


def test_groups_that_are_compared_in_a_grouped_run_are_of_patients():
    """Copies of a patient's sample are no evidence: where each counts, chance is taken for a difference."""
    rng, chance, counted = np.random.default_rng(0), [], []
    codes = np.repeat(rng.normal(size=(40, 5)), 6, axis=0) + 0.01 * rng.normal(size=(240, 5))
    adata = anndata.AnnData(codes.astype(np.float32), obsm={"X_vae": codes.astype(np.float32)})
    patients = np.repeat([f"p{i}" for i in range(40)], 6)
    for _ in range(40):
        adata.obs["arm"] = np.repeat(rng.permutation(["A", "B"] * 20), 6)
        once = _once_in_each(adata, patients, "arm", "X_vae")
        assert once.shape == (40, 5)
        counted += list(tl.group_difference(adata, "X_vae", "arm", "A", "B")["p"] < 0.05)
        chance += list(tl.group_difference(once, "X_vae", "arm", "A", "B")["p"] < 0.05)
    assert np.mean(counted) > 0.3
    assert np.mean(chance) < 0.1, "of 200 tests of nothing a twentieth is expected"
    adata.obs["arm"] = np.tile(["A", "B", "A", "B", "A", None], 40)  # varies within patients: each counts once in each
    once = _once_in_each(adata, patients, "arm", "X_vae")
    assert once.obs["arm"].value_counts().to_dict() == {"A": 40, "B": 40}
    np.testing.assert_allclose(once.X[0], adata.X[[0, 2, 4]].mean(axis=0), rtol=1e-5)


def test_a_figure_that_the_tables_no_longer_show_is_removed(ensemble, told, gmt, tmp_path):
    copied = RunFolder(shutil.copytree(ensemble.run.path, tmp_path / "run"))
    interpret_step(copied, ensemble.prepared, told, gene_sets=gmt)
    table = read(copied.interpretation / "enrichment.tsv").set_index("feature")
    seen = []
    for q in (0.001, 1.0):
        io.write_table(copied.interpretation / "enrichment.tsv", table.assign(q=q))
        draw_interpretation(copied, told)
        seen.append({path.stem for path in copied.figures.glob("*.png")})
    assert "node_types" in seen[1]
    assert seen[0] - seen[1] == {"enrichment"}


def test_an_ensemble_is_told_beside_pca_of_one_member_too(ensemble, told, tmp_path):
    run = RunFolder(shutil.copytree(ensemble.run.path, tmp_path / "run"))
    metrics = evaluate_step(run, ensemble.prepared, told)
    x, training = ensemble.prepared.adata.X, ensemble.prepared.training
    k = metrics["of_member"]["n_components"]
    assert k == ensemble.run.read_manifest()["model"]["n_components"] // 3
    pca = PCA(k, svd_solver="full").fit(x[training])
    error = np.square(x[~training] - pca.inverse_transform(pca.transform(x[~training]))).mean()
    ours = metrics["table"]["held-out MSE"][metrics["methods"][0]]
    assert metrics["of_member"]["mse"] == pytest.approx(error, rel=1e-4)
    assert metrics["of_member"]["difference"]["mean"] == pytest.approx(ours - error, rel=1e-3)
    assert f"PCA of {k} components has {error:.4g} to the ensemble's {ours:.4g}" in metrics["verdict"][1]
    # What members carry of the same samples does not add up.
    kl = np.array(metrics["code"]["KL per feature (nats)"])
    assert f"carry {kl.sum() / 3:.3g} nats a sample, the mean of the members" in metrics["verdict"][-1]
