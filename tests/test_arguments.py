"""What a user of Python gives where something else is meant: a table for an array, or for an AnnData, a model."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import latentome as lt
from latentome.errors import InputError
from latentome.workflow import RunConfig

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
        lt.run("blobs", out=tmp_path / "run", stratify=3)
    assert RunConfig.from_call("blobs", "linear", {"stratify": "type"}, "run").stratify == ["type"]
    assert not list(tmp_path.iterdir())


def test_groups_that_are_missing_are_groups_of_their_own_in_every_split(model):
    groups = np.array([f"p{i}" for i in range(150)], dtype=object)
    groups[:90] = None
    held_out = lt.pp.split_rows(150, 0.3, None, 0, groups)
    assert held_out.sum() == 45
    assert 0 < held_out[:90].sum() < 90
    x = TABLE[:150].to_numpy()
    codes = model.transform(x)
    methods = {"model": lt.tl.Representation(codes, model.inverse_transform(codes))}
    found = lt.tl.evaluate(x, methods, np.arange(150) >= 80, None, groups=groups)
    assert found["n_independent"] == 80


@pytest.mark.parametrize(
    "split", [lambda g: lt.pp.split_rows(40, 0.3, None, 0, g), lambda g: lt.pp.fold_rows(40, 4, None, 0, groups=g)]
)
def test_groups_of_other_samples_are_refused(split):
    with pytest.raises(InputError, match="groups are not those of these samples"):
        split(np.arange(20))


def test_groups_in_another_order_are_refused():
    adata = BLOBS.copy()
    lt.tl.pca(adata, 2, TRAINING)
    groups = pd.Series(np.arange(len(TABLE)) // 4, index=adata.obs_names)
    with pytest.raises(InputError, match="in another order"):
        lt.tl.associate(adata, "X_pca", groups=groups.sample(frac=1.0, random_state=1))
    with pytest.raises(InputError, match="not those of these samples"):
        lt.tl.associate(adata, "X_pca", groups=groups[:9])


@pytest.mark.parametrize("width", [1, 3])
def test_codes_of_another_width_have_no_loadings(model, width):
    with pytest.raises(InputError, match="do not fit the model"):
        lt.tl.loadings(model, np.zeros((20, width), np.float32))


def test_groups_named_by_large_numbers_stay_apart():
    adata = BLOBS.copy()
    lt.tl.pca(adata, 2, TRAINING)
    adata.obs["id"] = np.repeat([1234567.0, 1234568.0, 2.5, np.nan], 250)
    means = lt.tl.group_means(adata, "X_pca", "id")
    assert means.index.tolist() == ["1234567", "1234568", "2.5"]
    for one in (1234567, 1234567.0, means.index[0]):
        table = lt.tl.group_difference(adata, "X_pca", "id", one, means.index[2]).set_index("feature")
        assert table["mean_one"]["pca_1"] == pytest.approx(adata.obsm["X_pca"][:250, 0].mean(), rel=1e-5)
        assert table["mean_one"]["pca_1"] == pytest.approx(means.loc["1234567", "pca_1"], rel=1e-5)


def test_neighbours_are_those_of_one_gene_and_of_codes_that_fit():
    adata = lt.datasets.load("tcga-33")[:60].copy()
    lt.tl.pca(adata, 4, np.ones(60, bool))
    gene = adata.var_names[0]
    for k in (0, -1):
        with pytest.raises(InputError, match="So many neighbours"):
            lt.tl.nearest_genes(adata, "pca_loadings", gene, k=k)
        with pytest.raises(InputError, match="So many neighbours"):
            lt.tl.nearest_samples(adata, "X_pca", adata.obsm["X_pca"], k=k)
    for wrong in (adata.obsm["X_pca"][:, :3], adata.obsm["X_pca"][0], np.full((2, 4), np.nan)):
        with pytest.raises(InputError, match="none of 'X_pca'"):
            lt.tl.nearest_samples(adata, "X_pca", wrong)
    adata.var_names = [gene, *adata.var_names[:-1]]
    with pytest.raises(InputError, match="several genes"):
        lt.tl.nearest_genes(adata, "pca_loadings", gene)


def test_features_that_a_model_has_not_are_not_exchanged(model):
    codes = model.transform(TABLE.to_numpy())
    for features in ([2], [-1]):
        with pytest.raises(InputError, match="no such feature"):
            lt.tl.analogy(model, codes[:3], codes[3:9], codes[9:], features=features)
    same = lt.tl.analogy(model, codes[:3], codes[3:9], codes[9:], features=[])
    np.testing.assert_allclose(same, model.inverse_transform(codes[:3]), rtol=1e-5)


def test_marginal_activity_knows_its_groups_without_a_shared_gene():
    adata = lt.datasets.load("tcga-33")[:60].copy()
    lt.tl.pca(adata, 4, np.ones(60, bool))
    with pytest.raises(InputError, match="no column 'nope'"):
        lt.tl.marginal_activity(adata, "pca_loadings", "nope", "x", "y", cutoff=3.5)


@pytest.mark.parametrize(
    "empty",
    [lambda a: a[:0].copy(), lambda a: ad.AnnData(obs=a.obs, var=a.var)],
    ids=["no samples", "no values"],
)
def test_there_must_be_values_to_preprocess(empty):
    adata = lt.datasets.load("tcga-33")[:60].copy()
    learned = lt.pp.fit_preprocessing(adata)
    with pytest.raises(InputError, match="no values to work with"):
        lt.pp.fit_preprocessing(empty(adata))
    with pytest.raises(InputError, match="no values to work with"):
        lt.pp.align(empty(adata), learned)
    with pytest.raises(InputError, match="of other samples"):
        lt.pp.fit_preprocessing(adata, rows=np.ones(50, bool))


def test_preprocessing_is_read_from_where_it_was_saved_and_nothing_else(tmp_path):
    learned = lt.pp.fit_preprocessing(lt.datasets.load("tcga-33")[:60].copy())
    learned.save(tmp_path / "learned.json")
    again = lt.pp.Preprocessing.load(str(tmp_path / "learned.json"))
    assert again.genes == learned.genes
    for content in ('{"schema": 3}', '{"schema": "x"}', "[1]", '{"genes": 1, "schema": 1}'):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(InputError, match="preprocessing of this model"):
            lt.pp.Preprocessing.load(tmp_path / "other.json")
    with pytest.raises(InputError, match="preprocessing of this model"):
        lt.pp.Preprocessing.load(tmp_path / "none.json")


def test_names_may_be_an_array(model):
    weights = np.random.default_rng(0).normal(size=(50, 3))
    assert lt.tl.node_types(weights, np.array(list("abc")))["feature"].tolist() == list("abc")
    codes = np.random.default_rng(1).normal(size=(30, 4))
    assert lt.tl.stability(codes, 2, pd.Index(list("abcd")))["feature"].tolist() == list("abcd")
    adata = BLOBS.copy()
    lt.tl.pca(adata, 2, TRAINING)
    assert lt.pl.feature_scatter(adata, np.int64(1), np.int64(2), use_rep="X_pca", color="blob").axes
