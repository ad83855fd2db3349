from __future__ import annotations

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest

from latentome import io
from latentome.errors import InputError, RunFolderError
from latentome.pp import align
from latentome.tl.probe import linear_probe
from latentome.workflow import predict_new
from latentome.workflow.judge_new import class_probabilities, judge_errors


def read(path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", index_col=0)


@pytest.fixture
def new(finished, simulated, tmp_path, told):
    """Write samples to a file, predict them, and give the folder."""

    def _predict(table: pd.DataFrame, **options):
        io.write_table(tmp_path / "new.tsv", table)
        return predict_new(finished, str(tmp_path / "new.tsv"), tmp_path / "out", reporter=told, **options)

    return _predict


def test_the_training_file_gives_the_features_of_the_run(finished, config, tmp_path, simulated):
    folder = predict_new(finished, config.data, tmp_path / "out")
    names = ["classes.tsv", "error.tsv", "latent.tsv", "nearest.tsv", "reconstruction.tsv.gz", "tsne.tsv"]
    assert sorted(p.name for p in folder.iterdir()) == names
    was, now = read(finished.latent), read(folder / "latent.tsv")
    assert list(now) == list(was)
    assert list(now.index) == list(was.index)
    # The same program on blocks of the same size: the same bits.
    assert np.array_equal(now.to_numpy(), was.to_numpy())
    rebuilt = read(folder / "reconstruction.tsv.gz")
    assert list(rebuilt) == list(simulated.var_names)
    error = read(folder / "error.tsv")["mean squared error"]
    assert (error > 0).all()
    # The maps differ: a sample is placed anew beside its neighbours. It lands among them.
    maps = read(finished.tsne)[["tsne_vae_1", "tsne_vae_2"]].to_numpy()
    moved = np.linalg.norm(read(folder / "tsne.tsv").to_numpy() - maps, axis=1)
    assert np.median(moved) < 0.25 * np.median(np.linalg.norm(maps - np.median(maps, axis=0), axis=1))


def test_the_order_of_genes_and_samples_and_foreign_genes_do_not_matter(finished, simulated, new):
    rng = np.random.default_rng(0)
    table = simulated.to_df().iloc[rng.permutation(120), rng.permutation(40)].assign(**{"gene-99999": 1e3})
    now = read(new(table) / "latent.tsv")
    was = read(finished.latent).loc[now.index]
    assert list(now.index) == list(table.index)
    assert np.array_equal(now.to_numpy(), was.to_numpy())


def test_a_transposed_file_is_the_same(finished, simulated, new):
    now = read(new(simulated.to_df().T.rename_axis("gene")) / "latent.tsv")
    assert np.array_equal(now.to_numpy(), read(finished.latent).to_numpy())


def test_one_sample_is_as_among_all(finished, simulated, new):
    now = read(new(simulated.to_df().iloc[[7, 3]]) / "latent.tsv")
    assert np.array_equal(now.to_numpy(), read(finished.latent).iloc[[7, 3]].to_numpy())


def test_a_single_sample_is_as_among_all(finished, simulated, new):
    folder = new(simulated.to_df().iloc[[7]])
    now = read(folder / "latent.tsv")
    assert np.array_equal(now.to_numpy(), read(finished.latent).iloc[[7]].to_numpy())
    for name in ("error", "tsne", "classes", "reconstruction"):
        assert len(read(next(folder.glob(f"{name}.tsv*")))) == 1
    assert list(read(folder / "nearest.tsv")["rank"]) == [1, 2, 3, 4, 5]


def test_missing_values_are_filled_on_request(finished, config, simulated, new, told):
    """With the training mean, though the run was not asked to; a single sample, too."""
    from latentome.workflow import prepare_again

    table = simulated.to_df().iloc[:4].copy()
    gene = table.columns[2]
    mean = simulated.to_df().loc[prepare_again(config, finished).training, gene].mean()
    filled = read(new(table.assign(**{gene: [mean, *table[gene].iloc[1:]]})) / "reconstruction.tsv.gz")
    table.iloc[0, 2] = np.nan
    with pytest.raises(InputError, match="1 value missing"):
        new(table, replace=True)
    for rows in (4, 1):
        now = read(new(table.iloc[:rows], replace=True, impute="mean") / "reconstruction.tsv.gz")
        assert any("1 missing values were filled with the training mean" in said for said in told.said)
        np.testing.assert_allclose(now, filled.iloc[:rows], atol=1e-5)
    with pytest.raises(InputError, match="no way 'median'"):
        new(table, replace=True, impute="median")


def test_genes_named_twice_are_settled_as_asked(finished, simulated, tmp_path, told):
    table = simulated.to_df().copy()
    twice = pd.concat([table, table.iloc[:, [2]]], axis=1)
    io.write_table(tmp_path / "new.tsv", twice)
    asked = (finished, str(tmp_path / "new.tsv"), tmp_path / "out")
    with pytest.raises(InputError, match="more than once"):
        predict_new(*asked)
    with pytest.raises(InputError, match="for training samples to say(.|\n)*drop or sum"):
        predict_new(*asked, duplicates="most-variable")
    with pytest.raises(InputError, match="no rule 'keep'"):
        predict_new(*asked, duplicates="keep")
    predict_new(*asked, duplicates="drop", reporter=told)
    assert any("1 of 40 genes (2.5%) are missing" in said for said in told.said)


@pytest.mark.parametrize("share", [float("nan"), -0.1, 1.5])
def test_what_is_no_share_of_the_genes_is_refused(finished, config, simulated, tmp_path, share):
    with pytest.raises(InputError, match="no share of a model's genes"):
        predict_new(finished, config.data, tmp_path / "out", max_missing=share)
    with pytest.raises(InputError, match="no share of a model's genes"):
        align(simulated, finished, max_missing=share)


def test_a_run_without_its_codes_is_told_before_a_folder_is_made(finished, config, tmp_path):
    run = io.RunFolder(shutil.copytree(finished.path, tmp_path / "run"))
    run.h5ad.unlink()
    with pytest.raises(RunFolderError, match="no latent.h5ad yet(.|\n)*latentome predict"):
        predict_new(run, config.data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_genes_are_filled_and_said(finished, config, simulated, new, told):
    from latentome.workflow import prepare_again

    training = prepare_again(config, finished).training
    table = simulated.to_df().copy()
    gone = list(table)[::8]
    now = read(new(table.drop(columns=gone)) / "latent.tsv")
    assert any("5 of 40 genes (12.5%) are missing" in said for said in told.said)
    filled = table.copy()
    filled[gone] = filled.loc[training, gone].mean().to_numpy()
    same = read(new(filled, replace=True) / "latent.tsv")
    # The mean is written with the digits of float32, and the codes are of the order of 1.
    np.testing.assert_allclose(now, same, atol=1e-5)
    assert not np.allclose(now, read(finished.latent), atol=1e-3)


def test_too_many_missing_genes_are_refused_and_nothing_is_written(simulated, new, tmp_path):
    table = simulated.to_df().copy()
    with pytest.raises(InputError, match="lack 9 of the 40 genes"):
        new(table.iloc[:, 9:])
    assert not (tmp_path / "out").exists()
    assert (new(table.iloc[:, 9:], max_missing=0.25) / "latent.tsv").exists()


def test_predictions_are_not_overwritten_unless_asked(finished, simulated, new, tmp_path):
    table = simulated.to_df().copy()
    folder = new(table)
    before = (folder / "latent.tsv").read_bytes()
    with pytest.raises(RunFolderError, match="in use"):
        new(table.iloc[:10])
    assert (folder / "latent.tsv").read_bytes() == before
    assert len(read(new(table.iloc[:10], replace=True) / "latent.tsv")) == 10


@pytest.mark.parametrize(("high", "said"), [(1, "where 0.4 are expected"), (6, "unlike what the model was trained on")])
def test_what_chance_makes_unlike_is_not_called_that(high, said, told):
    """Of 24 held-out samples a like one is worse than all in a twenty-fifth of the cases."""
    obs = pd.DataFrame({"error": np.linspace(1.0, 2.0, 24), "split": "test"}, index=[f"s{i}" for i in range(24)])
    error = np.array([3.0] * high + [1.5] * (10 - high))
    table = judge_errors(anndata.AnnData(obs=obs), error, pd.RangeIndex(10), told)
    assert table["unlike"].sum() == high
    assert said in told.said[-1]


def test_samples_are_judged_against_those_of_the_run(finished, simulated, new, told):
    """Ten samples of the run, and ten whose genes are shuffled: as large, and unlike anything."""
    from latentome.workflow.steps import read_encoded

    encoded = read_encoded(finished)
    held_out = encoded.obs_names[encoded.obs["split"] == "test"]
    trained = list(encoded.obs_names[encoded.obs["split"] == "train"][:10])
    table = simulated.to_df().copy()
    strange = table.loc[trained].rename(index="x-{}".format)
    strange[:] = np.random.default_rng(0).permuted(strange.to_numpy(), axis=1)
    folder = new(pd.concat([table.loc[[*trained, *held_out]], strange]))
    error = read(folder / "error.tsv")
    assert error.loc[strange.index, "unlike"].all()
    assert not error.loc[held_out, "unlike"].any(), "none is worse than all of themselves"
    assert error.loc[held_out, "share below"].max() == 1 - 1 / len(held_out)
    assert any("10 of" in said and "unlike what the model" in said for said in told.said)
    assert any("10 of 44 samples have the names of samples that the model was trained on" in s for s in told.said)
    nearest = read(folder / "nearest.tsv")
    first = nearest[nearest["rank"] == 1]
    assert list(first.loc[trained, "sample"]) == trained, "a training sample is nearest to itself"
    np.testing.assert_allclose(first.loc[trained, "distance"], 0.0, atol=1e-3)
    assert set(nearest["sample"]) <= set(encoded.obs_names[encoded.obs["split"] == "train"])
    classes = read(folder / "classes.tsv")
    np.testing.assert_allclose(classes.sum(axis=1), 1.0, atol=1e-6)
    told_types = classes.idxmax(axis=1)
    types = simulated.obs["type"].astype(str)
    assert (told_types[held_out] == types[held_out]).mean() > 0.6


@pytest.mark.parametrize("replace", [False, True])
def test_a_run_is_never_overwritten_by_predictions(finished, config, replace):
    before = finished.latent.read_bytes()
    with pytest.raises(RunFolderError, match="holds a run"):
        predict_new(finished, config.data, finished.path, replace=replace)
    assert finished.latent.read_bytes() == before


@pytest.mark.parametrize(("n", "m"), [(70, 1000), (200, 200)])
def test_samples_like_the_held_out_ones_are_rarely_called_unlike(n, m, told):
    """All are compared with the same few held-out samples: as if they were independent a fifth of 200 draws said so."""
    obs, wrong = pd.DataFrame({"split": "test"}, index=[f"s{i}" for i in range(n)]), 0
    for seed in range(200):
        rng = np.random.default_rng([n, seed])
        told.said.clear()
        judge_errors(anndata.AnnData(obs=obs.assign(error=rng.random(n))), rng.random(m), pd.RangeIndex(m), told)
        wrong += any("unlike what" in text for text in told.said)
    assert wrong <= 18  # of 200; P < 0.01 where each has a twentieth


@pytest.mark.parametrize("n", [100, 200])
def test_probabilities_of_classes_are_not_too_sure_where_all_held_out_samples_are_told(n, told):
    """The held-out samples of an easy problem alone would make each probability 0 or 1."""
    worse = []
    for seed in range(10):
        rng, y = np.random.default_rng(seed), np.arange(n) % 2
        x = rng.normal(size=(n, 5))
        x[np.arange(n), y] += 2.5
        split = np.where(np.arange(n) // 2 % 5 == 0, "test", "train")
        adata = anndata.AnnData(
            obs=pd.DataFrame({"split": split, "c": np.array(["a", "b"])[y]}).set_axis(map(str, range(n)))
        )
        adata.obsm["X_v"], adata.uns["model"] = x, {"label_column": "c"}
        truth = rng.integers(0, 2, 2000)
        new = rng.normal(size=(2000, 5))
        new[np.arange(2000), truth] += 2.5
        found = class_probabilities(adata, "X_v", new, pd.RangeIndex(2000), told).to_numpy()
        plain = linear_probe().fit(x[split == "train"], y[split == "train"]).predict_proba(new)
        losses = [-np.log(np.maximum(p[np.arange(2000), truth], 1e-300)).mean() for p in (found, plain)]
        worse.append(losses[0] - losses[1])
    assert np.mean(worse) < 0.0, "worse than without, were the temperature not held near 1"
