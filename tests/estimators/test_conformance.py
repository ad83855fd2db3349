"""Every estimator passes scikit-learn's own conformance checks, and works where its estimators work."""

import pickle

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentome as lt
from latentome.errors import DensifiedWarning

# Whole-batch steps of the plainest optimizer, a few short ones, and no held-out rows: each check fits data of another
# shape and size, and a shorter program compiles faster.
SMALL = {
    "n_components": 2,
    "max_epochs": 2,
    "batch_size": 1000,
    "optimizer": "sgd",
    "learning_rate": 1e-4,
    "validation_fraction": 0.0,
    "random_state": 0,
}


ESTIMATORS = [
    lt.LinearAutoencoder(**SMALL),
    lt.DeepAutoencoder(**SMALL, hidden=()),
    lt.DenoisingAutoencoder(**SMALL),
    lt.NonlinearPCA(**SMALL, hidden=(), noise=0.0, dropout=0.0, patience=None),
    lt.VariationalAutoencoder(**SMALL, hidden=()),
]


def test_no_family_is_left_out():
    assert {type(estimator) for estimator in ESTIMATORS} == set(lt.estimators.FAMILIES.values())


@pytest.mark.filterwarnings("ignore::latentome.errors.DensifiedWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    """60 samples x 8 genes in [0, 1] of two kinds, half of the values zero."""
    rng = np.random.default_rng(0)
    x = rng.random((60, 8), dtype=np.float32) * (rng.random((60, 8)) < 0.5)
    x[:30, :4] *= 0.2
    return pd.DataFrame(x, columns=[f"gene {i}" for i in range(8)])


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.family)
def test_sparse_and_dense_give_the_same(estimator, table):
    x = table.to_numpy()
    dense = clone(estimator).fit(x)
    codes = dense.transform(x)
    assert get_tags(estimator).input_tags.sparse
    for kind in (sparse.csr_matrix, sparse.csc_array):
        with pytest.warns(DensifiedWarning, match="60 x 8 was made dense"):
            fitted = clone(estimator).fit(kind(x))
        np.testing.assert_array_equal(fitted.transform(kind(x)), codes)
    assert fitted.score(kind(x)) == pytest.approx(dense.score(x), abs=1e-9)


def test_a_sparse_matrix_too_large_to_be_dense_is_trained_on_in_buffers(table, monkeypatch):
    monkeypatch.setattr(lt.estimators.base, "fits_in_memory", lambda *shape: False)
    said = []
    model = lt.LinearAutoencoder(**SMALL).fit(sparse.csr_array(table.to_numpy()), notes=said.append)
    assert "buffers" in said[0]
    assert model.transform(table.to_numpy()).shape == (60, 2)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.family)
def test_tables_in_tables_out(estimator, table):
    model = clone(estimator).set_output(transform="pandas")
    codes = model.fit_transform(table)
    assert (
        list(codes.columns)
        == list(model.get_feature_names_out())
        == [f"{type(model).__name__.lower()}{i}" for i in (0, 1)]
    )
    assert list(codes.index) == list(table.index)
    again = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(again.transform(table), codes)
    assert again.inverse_transform(codes).shape == table.shape
    with pytest.raises(ValueError, match="feature names"):
        model.transform(table[table.columns[::-1]])


def test_a_grid_of_pipelines(table):
    labels = np.repeat([0, 1], 30)
    pipeline = make_pipeline(MinMaxScaler(), lt.LinearAutoencoder(**SMALL), LogisticRegression())
    search = GridSearchCV(pipeline, {"linearautoencoder__n_components": [1, 2]}, cv=2).fit(table, labels)
    assert search.best_params_["linearautoencoder__n_components"] in (1, 2)
    assert search.best_estimator_[:-1].transform(table).shape[0] == 60


@pytest.mark.parametrize("model", ESTIMATORS, ids=lambda model: type(model).__name__)
def test_what_fit_does_not_know_is_refused_before_anything_is_trained(model, table):
    model = clone(model)
    with pytest.raises(TypeError, match="unexpected keyword argument 'conditions'; it knows callbacks, checkpoint"):
        model.fit(table, conditions=["a"] * len(table))
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("model", ESTIMATORS, ids=lambda model: type(model).__name__)
def test_numbers_of_numpy_are_numbers(model, table, tmp_path):
    values = {name: np.array(value)[()] for name, value in SMALL.items() if isinstance(value, int | float)}
    model = clone(model).set_params(**values).fit(table)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(lt.load_model(tmp_path / "model").transform(table), model.transform(table))


def test_anndata_is_refused_with_what_to_pass(table):
    adata = AnnData(table.to_numpy())
    model = lt.LinearAutoencoder(**SMALL)
    with pytest.raises(lt.InputError, match="not AnnData") as refused:
        model.fit(adata)
    assert "adata.X" in refused.value.todo
    with pytest.raises(lt.InputError, match="not AnnData"):
        model.fit(adata.X).transform(adata)
