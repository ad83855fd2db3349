"""Law 10. `NonlinearPCA` before its first epoch is PCA, and never ends worse than PCA on its validation rows."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

import latentome as lt
from latentome.estimators.nonlinear_pca import _clearly_lower
from latentome.io import MemoryMatrix
from latentome.models import NonlinearPCAModel
from latentome.models.summary import summarise

K = 5
SMALL = {"hidden": (32,), "max_epochs": 30, "learning_rate": 0.01, "random_state": 0}
#: Steps so small that no weight changes.
STILL = {**SMALL, "learning_rate": 1e-30}


@pytest.fixture(scope="module")
def tumours():
    """300 tumours x 60 genes on a log scale: values up to 20, standard deviations about 2."""
    return lt.datasets.load("tcga-33").X[:300, :60].astype("float32")


@pytest.fixture(scope="module")
def trained(tumours):
    return lt.NonlinearPCA(K, **SMALL).fit(tumours)


def pca(x, k=K):
    return PCA(k, svd_solver="full").fit(x.astype(float))


def mse(model, x):
    return np.square(x - model.inverse_transform(model.transform(x)), dtype=float).mean()


def few_samples_many_genes():
    return lt.datasets.load("tcga-6").X[:60, :500].astype("float32")


@pytest.mark.parametrize("scale", [1.0, 0.05, 1000.0], ids=["log", "zero-one", "large"])
@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_before_its_first_epoch_it_is_pca(shape, scale, tumours):
    x = (tumours if shape == "tall" else few_samples_many_genes()) * np.float32(scale)
    model = NonlinearPCAModel(x.shape[1], K, hidden=[16], seed=0)
    model.adapt(x)
    theirs = pca(x)
    codes = np.asarray(model.encoder(x))
    spread = theirs.transform(x).std()
    # float32 sums of some hundred terms, beside float64 ones.
    np.testing.assert_allclose(codes, theirs.transform(x), atol=1e-4 * spread)
    back = theirs.inverse_transform(theirs.transform(x))
    np.testing.assert_allclose(np.asarray(model.decoder(codes)), back, atol=1e-4 * spread)
    assert np.square(x - np.asarray(model(x)), dtype=float).mean() == pytest.approx(
        np.square(x - back).mean(), rel=1e-5
    )
    cosines = np.linalg.svd(theirs.components_ @ model.encoder.get_layer("axes").get_weights()[0], compute_uv=False)
    assert np.all(cosines > 1 - 1e-6)


def test_an_estimator_that_finds_nothing_is_the_pca_of_all_rows(tumours):
    model = lt.NonlinearPCA(K, **STILL).fit(tumours)
    theirs = pca(tumours)
    assert model.best_epoch_ == 0
    assert mse(model, tumours) == pytest.approx(mse(theirs, tumours), rel=1e-5)
    np.testing.assert_allclose(model.transform(tumours), theirs.transform(tumours), atol=2e-3)
    np.testing.assert_allclose(model.explained_variance_, theirs.explained_variance_, rtol=1e-4)
    np.testing.assert_allclose(model.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-4)
    expected = theirs.components_.T * theirs.transform(tumours).std(axis=0)
    np.testing.assert_allclose(lt.tl.loadings(model, model.transform(tumours)), expected, atol=2e-3)


@pytest.mark.parametrize("rate", [0.01, 10.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_never_ends_worse_than_pca_on_its_validation_rows(rate, seed, tumours):
    model = lt.NonlinearPCA(K, **{**SMALL, "random_state": seed, "learning_rate": rate}).fit(tumours)
    held_out, rows = tumours[model.validation_rows_], tumours[model.training_rows_]
    # PCA of all rows, which knows the validation rows, is the harder one to beat.
    for other in (pca(tumours), pca(rows)):
        assert mse(model, held_out) <= mse(other, held_out) * (1 + 1e-5)
    if rate == 10.0:
        assert model.best_epoch_ == 0, "no step of such a size leads anywhere"


def test_it_ends_better_where_there_is_something_to_find(trained, tumours):
    first = lt.NonlinearPCA(K, **SMALL, refit=False).fit(tumours)
    held_out, rows = tumours[first.validation_rows_], tumours[first.training_rows_]
    assert first.best_epoch_ == trained.best_epoch_ > 0
    assert mse(first, held_out) < 0.95 * mse(pca(rows), held_out)
    # Without a second round the model is that of the best epoch, and the history tells its error.
    told = first.history_.set_index("epoch").loc[first.best_epoch_]
    assert mse(first, held_out) == pytest.approx(told["val_reconstruction"], rel=1e-4)
    share = rows.var(axis=0, dtype=float).mean()
    assert told["val_loss"] == pytest.approx(told["val_reconstruction"] / share, rel=1e-4)


def test_the_start_is_judged_by_axes_that_have_not_seen_the_held_out_rows():
    """Of few samples of many genes: PCA of all rows looks better on them than on new ones, and nothing beats it."""
    x, new = np.split(lt.datasets.load("tcga-6").X[:, :200].astype("float32"), [120])
    model = lt.NonlinearPCA(K, hidden=(64,), max_epochs=60, random_state=0).fit(x)
    held_out, rows = x[model.validation_rows_], x[model.training_rows_]
    start = lt.NonlinearPCA(K, **{**STILL, "hidden": (64,)}, refit=False).fit(x)
    assert start.history_["val_reconstruction"].iloc[0] == pytest.approx(mse(pca(rows), held_out), rel=1e-3)
    assert mse(pca(x), held_out) < 0.97 * mse(pca(rows), held_out)
    assert model.best_epoch_ > 0
    assert mse(model, new) < 0.98 * mse(pca(x), new)


def test_what_may_be_chance_is_no_reason_to_leave_pca():
    """Few Gaussian samples hold no more than PCA finds: that an epoch looks better on six of them is chance."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 30)) + rng.normal(size=(60, 30))).astype("float32")
    looked_better, left = 0, 0
    for seed in (3, 4, 5):
        model = lt.NonlinearPCA(3, **{**SMALL, "random_state": seed}, refit=False).fit(x)
        start = lt.NonlinearPCA(3, **{**STILL, "random_state": seed}, refit=False).fit(x)
        looked_better += model.history_["val_loss"].min() < start.history_["val_loss"].iloc[0]
        if model.best_epoch_:
            held_out, of_pca = x[model.validation_rows_], pca(x[model.training_rows_], 3)
            gains = [
                np.square(held_out - m.inverse_transform(m.transform(held_out))).mean(axis=1) for m in (of_pca, model)
            ]
            gains = gains[0] - gains[1]
            assert gains.mean() > 0.999 * gains.std(ddof=1) / np.sqrt(len(gains))
            assert model.history_["val_loss"].min() < 0.99 * start.history_["val_loss"].iloc[0]
            left += 1
    assert looked_better > left, (looked_better, left)


def test_pca_is_left_for_more_than_one_standard_error_and_more_than_one_percent():
    of_pca = np.array([1.0, 2.0, 3.0, 4.0])
    assert _clearly_lower(of_pca * 0.98, of_pca)
    assert not _clearly_lower(of_pca * 0.992, of_pca), "sure, but next to nothing"
    assert not _clearly_lower(of_pca - [2.0, 0.0, -0.5, 0.0], of_pca), "15 %, but of one row"
    assert not _clearly_lower(of_pca[:1] * 0.5, of_pca[:1]), "one row does not tell"
    assert not _clearly_lower(of_pca * np.nan, of_pca)


def test_from_a_matrix_in_blocks_what_may_be_chance_leaves_no_epoch_behind():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 30)) + rng.normal(size=(60, 30))).astype("float32")
    stayed = 0
    for seed in (3, 4, 5):
        settings = {**SMALL, "random_state": seed}
        model = lt.NonlinearPCA(3, **settings).fit(MemoryMatrix(x))
        start = lt.NonlinearPCA(3, **{**settings, "learning_rate": 1e-30}, refit=False).fit(MemoryMatrix(x))
        looked_better = model.history_["val_loss"].min() < start.history_["val_loss"].iloc[0]
        is_pca = mse(model, x) > 0.9999 * mse(pca(x, 3), x)
        assert is_pca == (model.best_epoch_ == 0)
        stayed += is_pca and looked_better
    assert stayed, "no training of these had to be refused"


def test_the_second_round_trains_on_all_rows_for_as_many_epochs(trained, tumours):
    alone = {**SMALL, "validation_fraction": 0.0, "patience": None}
    whole = lt.NonlinearPCA(K, **alone).fit(tumours)
    best = trained.best_epoch_
    # The schedule is that of all 30 epochs, so that a training of the best number alone is another one.
    assert best < 30
    assert mse(pca(tumours), tumours) > mse(trained, tumours) > mse(whole, tumours)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([trained.training_rows_, trained.validation_rows_])), range(300)
    )


def test_many_rows_are_trained_on_once(tumours, monkeypatch):
    from latentome.estimators import nonlinear_pca

    monkeypatch.setattr(nonlinear_pca, "REFIT_ROWS", 299)
    told, models = [], {}
    for refit in ("auto", False, True):
        models[refit] = lt.NonlinearPCA(K, **SMALL, refit=refit).fit(tumours, notes=told.append)
    np.testing.assert_array_equal(models["auto"].transform(tumours), models[False].transform(tumours))
    assert mse(models[True], tumours) < mse(models[False], tumours)
    (said,) = told
    assert said.startswith(f"Trained anew on all training samples, for the {models[True].best_epoch_} epochs")


def test_a_batch_is_a_twentieth_of_few_rows():
    assert [lt.NonlinearPCA().rows_of_batch(n) for n in (30, 280, 884, 5000)] == [10, 14, 44, 50]
    assert lt.NonlinearPCA(batch_size=50).rows_of_batch(30) == 50


def test_without_held_out_rows_the_last_epoch_is_kept(tumours):
    model = lt.NonlinearPCA(K, **SMALL, validation_fraction=0.0, patience=None).fit(tumours)
    assert (model.best_epoch_, model.n_iter_) == (None, 30)
    assert mse(model, tumours) < mse(pca(tumours), tumours)


def test_components_are_ordered_as_those_of_pca(trained, tumours):
    codes, variances = trained.transform(tumours).astype(float), trained.explained_variance_
    np.testing.assert_allclose(codes.mean(axis=0), 0.0, atol=1e-4 * codes.std())
    np.testing.assert_allclose(np.cov(codes.T), np.diag(variances), atol=1e-4 * variances[0])
    assert np.all(np.diff(variances) < 0)
    # A linear regression of the data on the code: orthonormal loadings, which explain what they are said to.
    centred = tumours - tumours.mean(axis=0, dtype=float)
    loadings = np.linalg.lstsq(codes, centred, rcond=None)[0]
    np.testing.assert_allclose(loadings @ loadings.T, np.eye(K), atol=1e-3)
    assert np.all(loadings[np.arange(K), np.abs(loadings).argmax(axis=1)] > 0)
    explained = 1.0 - np.square(centred - codes @ loadings).sum() / np.square(centred).sum()
    assert trained.explained_variance_ratio_.sum() == pytest.approx(explained, abs=1e-4)
    assert explained < trained.score(tumours)


def test_shares_of_the_variance_are_those_of_all_rows_without_a_second_round_too(tumours):
    model = lt.NonlinearPCA(K, **SMALL, validation_fraction=0.3, refit=False).fit(tumours)
    assert model.best_epoch_ > 0
    whole = tumours.var(axis=0, ddof=1, dtype=float).sum()
    np.testing.assert_allclose(model.explained_variance_ratio_, model.explained_variance_ / whole, rtol=1e-5)


@pytest.mark.parametrize("hidden", [(), (8,), (8, 6)])
def test_ordering_leaves_the_reconstruction_as_it_is(hidden, tumours):
    model = NonlinearPCAModel(60, K, hidden=list(hidden), seed=0)
    model.adapt(tumours)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(variable.value + 0.05 * rng.normal(size=variable.shape))
    before, codes = np.asarray(model(tumours)), np.asarray(model.encoder(tumours), np.float64)
    centred = tumours - tumours.mean(axis=0, dtype=float)
    with_data = centred.T @ (codes - codes.mean(axis=0)) / 299
    model.order(codes.mean(axis=0), np.cov(codes.T), with_data, tumours.var(axis=0, ddof=1, dtype=float))
    np.testing.assert_allclose(np.asarray(model(tumours)), before, atol=2e-4)
    assert np.abs(np.asarray(model.encoder(tumours)) - codes).max() > 0.1, "the code is another one"


def test_constant_and_redundant_data_are_no_trouble(tumours):
    flat = tumours.copy()
    flat[:, 6:] = 3.0
    flat[:, 3:6] = flat[:, :3]
    model = lt.NonlinearPCA(K, **SMALL).fit(flat)  # the data have three dimensions
    assert np.isfinite(model.transform(flat)).all()
    assert mse(model, flat) < 1e-4 * flat.var(axis=0).mean()
    constant = np.full_like(flat, 7.0)
    model = lt.NonlinearPCA(K, **SMALL).fit(constant)
    np.testing.assert_allclose(model.inverse_transform(model.transform(constant)), constant, rtol=1e-6)


def test_more_components_than_samples_or_features_are_refused(tumours):
    with pytest.raises(lt.InputError, match="number of components") as refused:
        lt.NonlinearPCA(61, **SMALL).fit(tumours)
    assert "n_samples = 300, of which 30 are held out; n_features = 60" in refused.value.where
    few, model = tumours[:21], lt.NonlinearPCA(20, **SMALL)
    for act in (model.fit, model.check):
        with pytest.raises(lt.InputError, match="number of components") as refused:
            act(few)
        assert "n_samples = 21, of which 2 are held out" in refused.value.where
    assert lt.NonlinearPCA(19, **{**SMALL, "max_epochs": 1}).fit(few).transform(few).shape == (21, 19)
    with pytest.raises(lt.InputError, match="number of components"):
        lt.NonlinearPCA(5, **SMALL).fit(MemoryMatrix(tumours[:4]))


def test_the_axes_of_data_in_blocks_are_those_of_pca(tumours):
    cuts = [0, 7, 100, 105, 290, 300]
    found = summarise(lambda: (tumours[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)), K)
    theirs = pca(tumours)
    np.testing.assert_allclose(found.mean, tumours.mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(found.variance, tumours.var(axis=0, dtype=float), rtol=1e-5)
    # Found block after block, with ten axes more than are wanted.
    np.testing.assert_allclose(found.spread, theirs.explained_variance_, rtol=5e-3)
    assert np.linalg.svd(theirs.components_ @ found.axes, compute_uv=False).min() > 0.99


def test_from_a_matrix_in_blocks_it_starts_and_ends_as_from_an_array(tumours):
    streamed = lt.NonlinearPCA(K, **STILL).fit(MemoryMatrix(tumours))
    np.testing.assert_allclose(streamed.transform(tumours), pca(tumours).transform(tumours), atol=2e-3)
    assert streamed.best_epoch_ == 0
    learned = lt.NonlinearPCA(K, **SMALL).fit(MemoryMatrix(tumours))
    held_out = tumours[learned.validation_rows_]
    assert mse(learned, held_out) <= mse(pca(tumours), held_out) * (1 + 1e-5)


def test_the_members_of_an_ensemble_are_averaged_in_the_space_of_the_data(tumours):
    test = lt.datasets.load("tcga-33").X[300:400, :60].astype("float32")
    ensemble = lt.NonlinearPCA(K, **SMALL, members=3).fit(tumours)
    assert ensemble.transform(test).shape == (100, 3 * K)
    assert ensemble.explained_variance_.shape == (3 * K,)
    members = [np.asarray(model(test)) for model in ensemble.models_]
    np.testing.assert_allclose(
        ensemble.inverse_transform(ensemble.transform(test)), np.mean(members, axis=0), atol=1e-4
    )
    # Never worse than the members on average, as the squared error is convex.
    assert mse(ensemble, test) <= np.mean([np.square(test - m, dtype=float).mean() for m in members]) * (1 + 1e-6)
