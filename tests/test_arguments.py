"""What a user of Python gives where something else is meant: a table for an array, or for an AnnData, a model."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import latentome as lt
from latentome.errors import InputError

BLOBS = lt.datasets.load("blobs")
TABLE = BLOBS.to_df()
TRAINING = np.arange(len(TABLE)) < 700


@pytest.fixture(scope="module")
def model() -> lt.LinearAutoencoder:
    return lt.LinearAutoencoder(n_components=2, max_epochs=5, random_state=0).fit(TABLE[TRAINING].to_numpy())


@pytest.mark.parametrize(
    "call",
    [
        lambda given: lt.tl.encode(given, None, "vae"),
        lambda given: lt.tl.pca(given, 2, TRAINING),
        lambda given: lt.tl.tsne(given, "X_pca"),
        lambda given: lt.tl.associate(given, "X_pca"),
        lambda given: lt.tl.group_means(adata=given, use_rep="X_pca", groupby="blob"),
        lambda given: lt.tl.compare(given, TRAINING),
        lambda given: lt.tl.enrich(given, "pca_loadings", {}),
        lambda given: lt.pp.split(given),
        lambda given: lt.pp.fit_preprocessing(given),
        lambda given: lt.pp.align(given, None),
        lambda given: lt.pl.embedding(given, "X_pca"),
        lambda given: lt.pl.latent_heatmap(given, "X_pca"),
        lambda given: lt.io.add_labels(given, TABLE),
    ],
)
@pytest.mark.parametrize("given", [TABLE, TABLE.to_numpy(), None], ids=["table", "array", "nothing"])
def test_what_is_no_anndata_is_refused_with_the_way_to_one(call, given):
    with pytest.raises(InputError, match=r"takes an AnnData") as refusal:
        call(given)
    assert type(given).__name__ in refusal.value.where
    assert "anndata.AnnData(table)" in refusal.value.todo


def test_a_table_becomes_an_anndata_as_the_refusal_says():
    training, held_out = lt.pp.split(ad.AnnData(TABLE), test_size=0.3)
    assert (training.n_obs, held_out.n_obs) == (700, 300)


def test_a_function_that_lacks_its_first_argument_says_so_in_python():
    with pytest.raises(TypeError, match="adata"):
        lt.pp.split()


def test_tables_give_what_their_values_give(model):
    x = TABLE.to_numpy()
    codes = model.transform(x)
    labels = np.where(x[:, 0] > 0, "high", "low")
    arrays = {"model": lt.tl.Representation(codes, model.inverse_transform(codes))}
    tables = {
        "model": lt.tl.Representation(
            # Rows and columns of other names in another order: what is compared is told by its place.
            pd.DataFrame(codes, index=TABLE.index[::-1]),
            pd.DataFrame(model.inverse_transform(codes), columns=TABLE.columns[::-1]),
        )
    }
    by_array = lt.tl.evaluate(x, arrays, TRAINING, labels)
    by_table = lt.tl.evaluate(TABLE, tables, TRAINING, pd.Series(labels, index=TABLE.index[::-1]))
    assert by_array["table"] == by_table["table"]
    genes = list(TABLE.columns)
    pd.testing.assert_frame_equal(
        lt.tl.errors_by_gene(x, arrays, TRAINING, genes), lt.tl.errors_by_gene(TABLE, tables, TRAINING, genes)
    )
    pd.testing.assert_frame_equal(
        lt.tl.errors_by_class(x, arrays, TRAINING, labels), lt.tl.errors_by_class(TABLE, tables, TRAINING, labels)
    )
    assert lt.tl.two_sample(x, x[:50]) == lt.tl.two_sample(TABLE, TABLE[:50])
    pd.testing.assert_frame_equal(lt.tl.similarity([codes, x]), lt.tl.similarity([pd.DataFrame(codes), TABLE]))
    for rule in ("variance", "mean-deviation", "median-deviation"):
        np.testing.assert_array_equal(lt.pp.most_variable(x, 4, rule)[0], lt.pp.most_variable(TABLE, 4, rule)[0])
    for scaling in ("zero-one", "z-score", "robust"):
        np.testing.assert_array_equal(lt.pp.fit_scaling(x, scaling), lt.pp.fit_scaling(TABLE, scaling))
    assert lt.pp.recognise_scale(x) == lt.pp.recognise_scale(TABLE)


def test_codes_alone_are_no_representation(model):
    codes = model.transform(TABLE.to_numpy())
    with pytest.raises(InputError, match="no representation") as refusal:
        lt.tl.evaluate(TABLE, {"model": codes}, TRAINING, None)
    assert "tl.Representation" in refusal.value.todo
    with pytest.raises(
        InputError,
        match="no representation",
    ) as refusal:
        lt.tl.evaluate(TABLE, {"model": lt.tl.Representation(codes, codes)}, TRAINING, None)
    assert f"{(len(TABLE), 2)}" in refusal.value.where


def test_a_model_is_no_history(model):
    with pytest.raises(InputError, match="takes a table") as refusal:
        lt.pl.training_curves(model)
    assert "history_" in refusal.value.todo


def test_codes_that_are_not_finite_or_of_another_width_are_not_decoded(model):
    code = model.transform(TABLE.to_numpy())[0]
    for wrong in (code * np.nan, np.append(code, 1.0)):
        for call in (
            lambda code: lt.tl.interpolate(model, code, code),
            lambda code: lt.tl.analogy(model, code, code, code),
        ):
            with pytest.raises(InputError, match="do not fit the model"):
                call(wrong)


def test_a_representation_is_called_the_same_with_and_without_its_prefix(model):
    adata = BLOBS.copy()
    lt.tl.encode(adata, model, "X_mine")
    lt.tl.pca(adata, 2, TRAINING, "X_mine_pca")
    assert sorted(adata.obsm) == ["X_mine", "X_mine_pca"]
    assert "mine_pca_loadings" in adata.varm


def test_run_says_what_it_takes(tmp_path):
    for given in (TABLE, BLOBS):
        with pytest.raises(InputError, match="takes the path of a file"):
            lt.run(given, out=tmp_path / "run")
        with pytest.raises(InputError, match="takes the path of a file"):
            lt.sweep.run(given, "linear", {"n_components": [1, 2]}, tmp_path / "sweep")
    with pytest.raises(InputError, match="no setting 'label_colum'") as refusal:
        lt.run("blobs", out=tmp_path / "run", label_colum="type")
    assert "label_column" in refusal.value.expected
    with pytest.raises(InputError, match="no setting 'max_epochs'") as refusal:
        lt.run("blobs", out=tmp_path / "run", max_epochs=5)
    assert "parameters" in refusal.value.todo
    with pytest.raises(InputError, match="no value of the setting 'stratify'"):
        lt.run("blobs", out=tmp_path / "run", stratify="type")
    assert not list(tmp_path.iterdir())
