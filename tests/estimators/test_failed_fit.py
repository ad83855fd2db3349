"""What is not fitted says so, and a fit that fails leaves the estimator as it was."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

import latentome as lt

X = np.random.default_rng(0).random((60, 8)).astype("f4")
WIDER = np.random.default_rng(1).random((60, 12)).astype("f4")
DIVERGES = {"optimizer": "sgd", "learning_rate": 1e30, "schedule": "constant"}
KINDS = [lt.LinearAutoencoder, lt.NonlinearPCA, lt.VariationalAutoencoder]


def small(kind, **parameters):
    plain = {} if kind is lt.LinearAutoencoder else {"hidden": ()}  # compiles sooner
    return kind(2, **{"max_epochs": 2, "random_state": 0, **plain, **parameters})


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_fit_that_diverges_is_none(kind):
    model = small(kind, **DIVERGES)
    given = set(vars(model))
    with pytest.raises(lt.TrainingError, match="stopped being finite"):
        model.fit(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    with pytest.raises(NotFittedError):
        model.transform(X)
    assert set(vars(model)) == given


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [X, lt.io.MemoryMatrix(X)], ids=["in memory", "in buffers"])
def test_the_last_good_state_of_a_fit_that_diverges_is_in_the_error(kind, given):
    with pytest.raises(lt.TrainingError, match="kept in this error as models") as told:
        small(kind, **DIVERGES).fit(given)
    (model,) = told.value.models
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    codes = model.encoder(X)
    assert codes.shape == (60, 2)
    assert np.ptp(codes, axis=0).min() > 0


@pytest.mark.parametrize("kind", [lt.LinearAutoencoder, lt.NonlinearPCA])
def test_there_is_no_second_round_before_the_first(kind):
    with pytest.raises(NotFittedError):
        _ = small(kind).second_round_


def failures(model):
    covariate = {"covariate": np.array(["a", "b"] * 30)} if model.family == "vae" else {}
    yield lt.TrainingError, lambda: model.set_params(**DIVERGES).fit(WIDER, **covariate)
    yield KeyboardInterrupt, lambda: model.fit(WIDER, progress=interrupted)
    yield lt.TrainingError, lambda: model.set_params(**DIVERGES).fit(lt.io.MemoryMatrix(WIDER))
    yield lt.InputError, lambda: model.set_params(patience=3, validation_fraction=0).fit(WIDER)
    other = small(lt.LinearAutoencoder)
    yield lt.TrainingError, lambda: lt.estimators.fit_together([other, model.set_params(**DIVERGES)], WIDER)


@pytest.mark.parametrize("kind", [lt.LinearAutoencoder, lt.VariationalAutoencoder])
def test_a_later_fit_that_fails_leaves_the_earlier_one(kind):
    model = small(kind).fit(X)
    codes, names = model.transform(X), {name for name in vars(model) if name.endswith("_")}
    parameters = model.get_params()
    for error, act in failures(model):
        with pytest.raises(error):
            act()
        model.set_params(**parameters)
        assert {name for name in vars(model) if name.endswith("_")} == names
        assert (model.n_features_in_, len(model.history_)) == (8, model.n_iter_)
        np.testing.assert_array_equal(model.transform(X), codes)
