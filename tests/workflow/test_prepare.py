from __future__ import annotations

import tracemalloc
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from latentome import datasets, io
from latentome.errors import InputError
from latentome.workflow import RunConfig, prepare_again
from latentome.workflow.manifest import describe_data
from latentome.workflow.prepare import _on_both_sides, load_data, prepare


def same_training_side(one, other) -> None:
    for name in ("minimum", "span", "mean"):
        assert getattr(one.preprocessing, name).tobytes() == getattr(other.preprocessing, name).tobytes(), name
    for name in ("transform", "genes", "constant", "notes"):
        assert getattr(one.preprocessing, name) == getattr(other.preprocessing, name), name
    assert np.array_equal(one.training, other.training)
    assert one.adata.X[one.training].tobytes() == other.adata.X[other.training].tobytes()


@pytest.mark.parametrize("linear", [False, True])
def test_everything_learned_from_the_data_comes_from_training_rows(simulated, tmp_path, linear):
    """Law 5: transform, gene selection, constant genes, scaling and mean. Held-out rows may hold anything."""
    table = simulated.to_df().copy()
    if linear:
        table = np.exp2(table) - 1.0
    # The split depends on the number of samples alone: find it first.
    config = RunConfig(data=str(tmp_path / "expression.tsv"), genes=25, seed=3)
    io.write_table(tmp_path / "expression.tsv", table)
    training = prepare(config, "zero-one").training
    assert training.sum() == 96
    table.loc[training, "gene-00007"] = 5.0  # constant in training, and variable beyond
    io.write_table(tmp_path / "expression.tsv", table)
    before = prepare(config, "zero-one")
    assert before.preprocessing.constant == ["gene-00007"]
    assert before.preprocessing.transform == ("log2p1" if linear else "none")
    wild = table.copy()
    rng = np.random.default_rng(0)
    values = rng.choice([-0.99, 0.0, 1e-6, 29.0, 1e6], size=(24, 40)) * rng.uniform(size=(24, 40))
    wild.loc[~training] = values.astype(np.float32)
    io.write_table(tmp_path / "expression.tsv", wild)
    after = prepare(config, "zero-one")
    same_training_side(before, after)
    assert not np.array_equal(before.adata.X[~training], after.adata.X[~training])


def test_labels_split_the_samples_within_classes(config):
    prepared = prepare(config, "zero-one")
    assert prepared.label_column == "type"
    held_out = pd.crosstab(prepared.labels, prepared.adata.obs["split"].to_numpy())
    assert (held_out["test"] == 8).all(), "40 samples of each of three types"
    assert (held_out["train"] == 32).all()
    assert prepared.n_genes_read == 40
    assert any("120 of 120 samples have a row of labels" in note for note in prepared.notes)


def test_a_seed_is_a_split(config):
    one = prepare(config, "zero-one").training
    assert np.array_equal(one, prepare(config, "zero-one").training)
    assert not np.array_equal(one, prepare(replace(config, seed=2), "zero-one").training)


def test_the_one_column_of_classes_is_found_and_of_several_one_has_to_be_named(config, simulated, tmp_path):
    frame = simulated.obs[["type"]].assign(age=np.arange(120) + 0.5)
    io.write_table(tmp_path / "labels.tsv", frame)
    own = replace(config, labels=str(tmp_path / "labels.tsv"))
    assert prepare(own, "none").label_column == "type", "120 different ages are no classes"
    io.write_table(tmp_path / "labels.tsv", frame.assign(site=["a", "b"] * 60))
    taken = prepare(own, "none")
    assert taken.label_column == "type", "that is what such columns are called"
    assert any("Of the labels 'type' was taken; --label-column names another one (site)" in n for n in taken.notes)
    io.write_table(tmp_path / "labels.tsv", frame.assign(site=["a", "b"] * 60).rename(columns={"type": "kind"}))
    with pytest.raises(InputError, match="not clear which column") as refused:
        prepare(own, "none")
    assert "kind, age, site" in refused.value.where
    assert prepare(replace(own, label_column="site"), "none").label_column == "site"


def test_labels_may_come_with_the_data(simulated, tmp_path):
    adata = simulated.copy()
    del adata.uns["source"]
    adata.write_h5ad(tmp_path / "own.h5ad")
    config = RunConfig(data=str(tmp_path / "own.h5ad"))
    assert prepare(config, "none").label_column is None
    labelled = prepare(replace(config, label_column="type"), "none")
    assert list(labelled.labels) == list(simulated.obs["type"])
    with pytest.raises(InputError, match="Did you mean 'type'"):
        prepare(replace(config, label_column="typ"), "none")


def test_missing_labels_are_missing(config, simulated, tmp_path):
    io.write_table(tmp_path / "labels.tsv", simulated.obs[["type"]].iloc[:100])
    prepared = prepare(replace(config, labels=str(tmp_path / "labels.tsv")), "none")
    assert int(pd.isna(prepared.labels).sum()) == 20
    assert any("20 samples have no type" in note for note in prepared.notes)


def test_without_labels_it_is_said(config):
    prepared = prepare(replace(config, labels=None), "none")
    assert prepared.label_column is None
    assert prepared.labels is None
    assert any("There are no labels" in note for note in prepared.notes)


def test_a_name_that_is_neither_data_nor_file_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'tcga-33'"):
        load_data("tcga33")
    assert load_data("blobs").n_obs == datasets.load("blobs").n_obs
    with pytest.raises(InputError, match="There is no file blobs.tsv"):
        load_data("blobs.tsv")


def test_the_choices_of_a_run_are_kept_and_repeat_it(config, simulated, tmp_path):
    """Genes from a list, missing values, clipping, strata and groups, through config.toml and back."""
    table = simulated.to_df().copy()
    table.iloc[5, 3] = np.nan
    io.write_table(tmp_path / "expression.tsv", table)
    frame = simulated.obs[["type"]].assign(sex=["f", "m"] * 60, person=[f"P{i // 3}" for i in range(120)])
    io.write_table(tmp_path / "labels.tsv", frame)
    (tmp_path / "genes.txt").write_text("\n".join(simulated.var_names[5:25]) + "\n")
    asked = RunConfig(
        data=str(tmp_path / "expression.tsv"),
        labels=str(tmp_path / "labels.tsv"),
        label_column="type",
        impute="mean",
        genes=str(tmp_path / "genes.txt"),
        scaling="robust",
        clip=True,
        stratify=["type", "sex"],
        group="person",
    )
    first = prepare(asked, "robust")
    assert first.preprocessing.genes == list(simulated.var_names[5:25])
    assert (first.stratified_by, first.grouped_by) == (("type", "sex"), "person")
    persons = frame["person"].to_numpy()
    assert not set(persons[first.training]) & set(persons[~first.training])
    held_out = first.adata.X[~first.training]
    trained = first.adata.X[first.training]
    assert (held_out <= trained.max(axis=0)).all()
    assert (held_out >= trained.min(axis=0)).all()
    run = io.RunFolder.create(tmp_path / "run")
    run.write_config(asked.to_dict())
    first.preprocessing.save(run.preprocessing)
    run.update_manifest(**describe_data(first))
    again = prepare_again(RunConfig.from_dict(run.read_config(), "config.toml"), run)
    assert np.array_equal(again.adata.X, first.adata.X)
    assert np.array_equal(again.training, first.training)
    with pytest.raises(InputError, match="Did you mean 'mean'"):
        prepare(replace(asked, impute="means"), "robust")
    with pytest.raises(InputError, match="missing or infinite"):
        prepare(replace(asked, impute="none"), "robust")


def test_labels_in_which_the_rows_of_a_sample_disagree_are_left_out(config, simulated, tmp_path):
    """As in clinical tables with a row for each portion of a tumour; a column that is asked for has to agree."""
    frame = simulated.obs[["type"]].assign(portion="first")
    frame = pd.concat([frame, frame.iloc[:2].assign(portion="second")])
    io.write_table(tmp_path / "labels.tsv", frame)
    own = replace(config, labels=str(tmp_path / "labels.tsv"))
    prepared = prepare(own, "none")
    assert prepared.label_column == "type"
    assert "portion" not in prepared.adata.obs
    assert any("disagree were left out: portion" in note for note in prepared.notes)
    with pytest.raises(InputError, match="disagree in portion"):
        prepare(replace(own, label_column="portion"), "none")


def test_the_raw_values_are_not_copied_beside_the_scaled_ones(tmp_path):
    x = np.random.default_rng(0).random((4000, 500), dtype=np.float32)
    anndata.AnnData(x, pd.DataFrame(index=[f"s{i}" for i in range(4000)])).write_h5ad(tmp_path / "x.h5ad")
    asked = RunConfig(data=str(tmp_path / "x.h5ad"))
    first = prepare(asked, "zero-one")
    run = io.RunFolder.create(tmp_path / "run")
    run.write_config(asked.to_dict())
    first.preprocessing.save(run.preprocessing)
    run.update_manifest(**describe_data(first))
    tracemalloc.start()
    try:
        again = prepare_again(asked, run)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert again.adata.X.tobytes() == first.adata.X.tobytes()
    assert peak < 3.6 * x.nbytes, "as they are, of the chosen genes, and scaled"


@pytest.mark.parametrize("name", ["split", "error"])
def test_a_column_that_a_run_adds_is_no_label(name, simulated, tmp_path):
    adata = simulated.copy()
    adata.obs[name] = np.where(np.arange(adata.n_obs) % 2, "a", "b")
    adata.write_h5ad(tmp_path / "data.h5ad")
    config = RunConfig(data=str(tmp_path / "data.h5ad"), label_column=name)
    with pytest.raises(InputError, match="adds a column of this name"):
        prepare(config, "zero-one")
    prepared = prepare(replace(config, label_column=None), "zero-one")
    assert any(f"own column '{name}' gives way" in note for note in prepared.notes)


@pytest.mark.parametrize("missing", [False, True])
def test_whole_numbers_are_names_of_classes_and_quantities_are_refused(missing, simulated, tmp_path):
    adata = simulated.copy()
    grade = (np.arange(adata.n_obs) % 3).astype(float if missing else int)
    if missing:
        grade[5] = np.nan
    adata.obs["grade"], adata.obs["age"] = grade, np.arange(adata.n_obs) + 0.5
    adata.write_h5ad(tmp_path / "data.h5ad")
    config = RunConfig(data=str(tmp_path / "data.h5ad"), label_column="grade")
    labels = prepare(config, "zero-one").labels
    assert set(labels[~pd.isna(labels)]) == {"0", "1", "2"}
    assert pd.isna(labels).sum() == missing
    with pytest.raises(InputError, match="are quantities"):
        prepare(replace(config, label_column="age"), "zero-one")
    adata.obs["grade"] = np.nan
    adata.write_h5ad(tmp_path / "data.h5ad")
    with pytest.raises(InputError, match="No sample has a label"):
        prepare(config, "zero-one")


def test_patients_on_both_sides_are_told(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"TCGA-OR-A{i:03d}-{code}" for i in range(15) for code in ("01", "11")]
    adata = AnnData(rng.normal(8.0, 1.0, (30, 12)).astype(np.float32))
    adata.obs_names, adata.var_names = names, [f"G{i}" for i in range(12)]
    adata.write_h5ad(tmp_path / "data.h5ad")
    config = RunConfig(data=str(tmp_path / "data.h5ad"))
    prepared = prepare(config, "zero-one")
    sides = {
        training: {n[:12] for n, t in zip(names, prepared.training, strict=True) if t == training}
        for training in (True, False)
    }
    both = len(sides[True] & sides[False])
    assert both
    assert any(note.startswith(f"{both} patients have samples among the training") for note in prepared.notes)
    one = _on_both_sides(adata[:2], np.array([True, False]), config)
    assert one[0].startswith("1 patient has samples among the training")
    together = prepare(replace(config, group="patient"), "zero-one")
    assert not any("--group patient" in note for note in together.notes)


@pytest.mark.parametrize("word", ["", " ", "nan", "NA"])
def test_words_for_missing_labels_in_the_data_are_read_as_those_of_a_file(word, simulated, tmp_path):
    labels = simulated.obs["type"].astype(str).to_numpy().copy()
    labels[::4] = word
    whole = AnnData(simulated.X, pd.DataFrame({"kind": labels}, index=simulated.obs_names), simulated.var[[]])
    whole.write_h5ad(tmp_path / "whole.h5ad")
    simulated.to_df().to_csv(tmp_path / "values.tsv", sep="\t")
    whole.obs.to_csv(tmp_path / "labels.tsv", sep="\t")
    inside = prepare(RunConfig(str(tmp_path / "whole.h5ad"), label_column="kind"), "zero-one")
    file = {"labels": str(tmp_path / "labels.tsv"), "label_column": "kind"}
    beside = prepare(RunConfig(str(tmp_path / "values.tsv"), **file), "zero-one")
    assert inside.adata.obs["kind"].isna().sum() == len(labels[::4])
    assert np.array_equal(inside.training, beside.training)
    assert inside.adata.obs["kind"].astype(object).equals(beside.adata.obs["kind"].astype(object))


@pytest.mark.parametrize("values", [["same"] * 120, [f"own {i}" for i in range(120)]])
def test_labels_without_classes_are_refused_with_the_reason(values, simulated, tmp_path):
    simulated.to_df().to_csv(tmp_path / "values.tsv", sep="\t")
    pd.DataFrame({"label": values}, index=simulated.obs_names).to_csv(tmp_path / "labels.tsv", sep="\t")
    with pytest.raises(InputError, match="classes that some samples share") as refused:
        prepare(RunConfig(str(tmp_path / "values.tsv"), labels=str(tmp_path / "labels.tsv")), "zero-one")
    assert f"label ({len(set(values))} different values); 120 samples" in refused.value.where
