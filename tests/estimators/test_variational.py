"""The variational autoencoder: widths, bounds against exact likelihoods, units, free bits, a covariate."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import latentome as lt
from latentome.models import VariationalModel
from latentome.models.losses import kl_per_unit, with_free_bits

# One architecture and one size of data for most tests, so that they share their compiled programs.
FIVE = {"n_components": 5, "hidden": (8,), "max_epochs": 40, "random_state": 0}


@pytest.fixture(scope="module")
def tumours():
    return (lt.datasets.load("tcga-33").X[:300] / 20.0).astype("float32")


@pytest.fixture(scope="module")
def trained(tumours):
    return lt.VariationalAutoencoder(**FIVE).fit(tumours)


def ready(estimator, model):
    """The estimator with this model, as if it had been fitted."""
    estimator.models_, estimator.n_features_in_, estimator.categories_ = [model], model.n_features, None
    estimator._n_features_out = estimator.n_components
    return estimator


def widths(model):
    """The shapes of the kernels, those of the decoder after those of the encoder."""
    parts = (model.encoder, model.decoder)
    return [tuple(layer.kernel.shape) for part in parts for layer in part.layers if hasattr(layer, "kernel")]


def test_every_depth_and_width_is_what_it_says():
    shapes = {
        (): [(12, 6), (3, 12)],
        (7,): [(12, 7), (7, 6), (3, 7), (7, 12)],
        (8, 5): [(12, 8), (8, 5), (5, 6), (3, 5), (5, 8), (8, 12)],
        (9, 8, 5): [(12, 9), (9, 8), (8, 5), (5, 6), (3, 5), (5, 8), (8, 9), (9, 12)],
    }
    models = {hidden: VariationalModel(12, 3, hidden=hidden) for hidden in shapes}
    assert {hidden: widths(model) for hidden, model in models.items()} == shapes
    assert len({model.count_params() for model in models.values()}) == 4
    # Hidden and latent widths are not swapped.
    assert widths(VariationalModel(12, 7, hidden=(3,))) == [(12, 3), (3, 14), (7, 3), (3, 12)]


def linear_gaussian(covers, rotate):
    """A model whose decoder is linear, so that log p(x) is known, and samples of it.

    The posterior's variances are the best ones times `covers`; with `rotate` it is not diagonal, and no diagonal one
    is exact.
    """
    rng = np.random.default_rng(0)
    noise = rng.uniform(0.1, 0.5, size=6)
    weights = np.linalg.qr(rng.normal(size=(6, 2)))[0].T * np.array([[2.0], [1.0]]) * np.sqrt(noise)
    if rotate:
        weights = np.array([[0.8, 0.6], [-0.6, 0.8]]) @ weights
    bias = rng.normal(size=6)
    precision = np.eye(2) + weights / noise @ weights.T
    encode = np.linalg.solve(precision, weights / noise).T
    variances = covers / np.diag(precision)
    model = VariationalModel(6, 2, seed=0)
    model.encoder.get_layer("heads").set_weights(
        [np.hstack([encode, np.zeros((6, 2))]), np.r_[-bias @ encode, np.log(variances)]]
    )
    model.decoder.get_layer("output").set_weights([weights, bias])
    model.log_variance.assign(np.log(noise))
    marginal = multivariate_normal(bias, weights.T @ weights + np.diag(noise))
    x = marginal.rvs(size=400, random_state=1).astype("float32")
    return ready(lt.VariationalAutoencoder(2, hidden=()), model), x, marginal.logpdf(x)


def test_with_the_exact_posterior_one_draw_gives_the_exact_likelihood():
    model, x, exact = linear_gaussian(covers=1.0, rotate=False)
    # Every weight is p(x), whatever the draw: only the rounding of float32 is left.
    np.testing.assert_allclose(model.log_likelihood(x, n_samples=1), exact, atol=2e-5)
    # The bound is tight; it averages 400 x 32 draws of a quadratic form in 2 normals, whose variance is near 2.
    assert model.score(x) == pytest.approx(exact.mean(), abs=4 * np.sqrt(2.0 / (400 * 32)))


def test_the_importance_weighted_bound_lies_between_and_reaches_the_likelihood():
    model, x, exact = linear_gaussian(covers=1.4, rotate=True)
    few, many = (model.log_likelihood(x, n_samples=n).mean() for n in (5, 2000))
    assert model.score(x) < few - 0.05
    assert few < many - 0.02
    # The bias of 2,000 draws is the relative variance of a weight, below 2 here, over 4,000; the rest is chance:
    # the error of each of 400 samples is about sqrt(2 / 2000) = 0.03, that of their mean 0.0016.
    assert many == pytest.approx(exact.mean(), abs=4 * 0.0016 + 0.0005)
    assert many < exact.mean() + 4 * 0.0016


def test_the_bound_is_what_it_is_by_quadrature():
    model, x, exact = linear_gaussian(covers=1.4, rotate=True)
    # log p(x) - KL(q || p(z | x)), both normal with the same mean.
    weights, _ = model.decoder_.get_layer("output").get_weights()
    noise = np.exp(np.asarray(model.model_.log_variance))
    precision = np.eye(2) + weights / noise @ weights.T
    variances = 1.4 / np.diag(precision)
    divergence = 0.5 * (np.trace(precision * variances) - 2 - np.log(variances).sum() - np.linalg.slogdet(precision)[1])
    assert model.score(x) == pytest.approx(exact.mean() - divergence, abs=4 * np.sqrt(4.0 / (400 * 32)))


def test_draws_belong_to_the_seed_and_the_row(trained, tumours):
    whole = trained.log_likelihood(tumours, n_samples=4, random_state=3)
    np.testing.assert_array_equal(whole, trained.log_likelihood(tumours, n_samples=4, random_state=3))
    # Rows 0 to 9 are computed with other companions; float32 sums of 198 terms.
    np.testing.assert_allclose(trained.log_likelihood(tumours[:10], n_samples=4, random_state=3), whole[:10], rtol=1e-5)
    assert (whole != trained.log_likelihood(tumours, n_samples=4, random_state=4)).all()
    with pytest.raises(lt.InputError, match="at least one draw"):
        trained.log_likelihood(tumours, n_samples=0)


def test_draws_may_come_from_a_generator_or_from_chance(trained, tumours):
    def ask(random_state):
        return trained.log_likelihood(tumours[:5], 3, random_state).tolist()

    assert ask(np.random.default_rng(1)) == ask(np.random.default_rng(1)) != ask(np.random.default_rng(2))
    assert ask(None) != ask(None)
    assert ask(np.int64(7)) == ask(7)
    for wrong in (2.5, 0, "many"):
        with pytest.raises(lt.InputError, match="needs at least one draw"):
            trained.log_likelihood(tumours[:5], wrong)


def test_the_score_is_the_bound_that_training_lowered(trained, tumours):
    # The validation loss decodes the posterior mean and not draws of it, so that it is a little better.
    held_out = tumours[trained.validation_rows_]
    assert -trained.history_["val_loss"].iloc[-1] == pytest.approx(trained.score(held_out), rel=0.05)
    assert -trained.history_["val_loss"].iloc[-1] > trained.score(held_out)


def test_a_squared_error_counts_as_a_normal_of_variance_one_half(tumours):
    model = VariationalModel(198, 3, likelihood="mse", seed=0)
    # Draws that do not move: the likelihood is that of the mean, the divergence that of a point with this variance.
    model.encoder.get_layer("heads").set_weights([np.zeros((198, 6)), np.r_[np.zeros(3), np.full(3, -60.0)]])
    estimator = ready(lt.VariationalAutoencoder(3, likelihood="mse"), model)
    y = np.asarray(model.decoder(np.zeros((1, 3))))
    likelihood = -np.square(tumours[:50] - y).sum(axis=1) - 99 * np.log(np.pi)
    assert estimator.score(tumours[:50]) == pytest.approx(likelihood.mean() - 0.5 * 3 * (60.0 - 1.0), rel=1e-5)


@pytest.mark.parametrize("of", [np.asarray, lt.io.MemoryMatrix], ids=["array", "in buffers"])
def test_values_too_small_to_be_told_from_noise_are_refused_before_they_collapse(of, tumours):
    varying = tumours[:, tumours.std(axis=0) > 0.0]
    small = varying * np.float32(0.0009 / np.median(varying.std(axis=0)))
    with pytest.raises(lt.InputError, match="vary too little for the Gaussian likelihood") as refusal:
        lt.VariationalAutoencoder(**FIVE).fit(of(small))
    assert "of 0.0009" in refusal.value.where
    constant = np.full((len(small), 2 * small.shape[1]), 0.3, np.float32)  # says nothing of the scale
    lt.VariationalAutoencoder(**{**FIVE, "max_epochs": 1}).fit(of(np.hstack([small * 1.2, constant])))
    lt.VariationalAutoencoder(**{**FIVE, "max_epochs": 1}, likelihood="mse").fit(of(small))


def test_units_that_carry_nothing_are_told_from_those_that_do(trained, tumours):
    kl = trained.kl_per_unit(tumours)
    mean, log_variance = (np.asarray(part) for part in trained.model_.posterior(tumours))
    np.testing.assert_allclose(kl, np.asarray(kl_per_unit(mean, log_variance)).mean(axis=0), rtol=1e-4)
    assert trained.active_units(tumours).all()
    assert kl.min() > 0.5
    heads = trained.encoder_.get_layer("heads")
    kernel, bias = heads.get_weights()
    path, before = trained.encoder_.get_layer("mean_path"), trained.encoder_.get_layer("mean_path").get_weights()
    try:  # the second component becomes the prior
        heads.set_weights([kernel * (np.arange(10) % 5 != 1), bias * (np.arange(10) % 5 != 1)])
        path.set_weights([before[0] * (np.arange(5) != 1)])
        np.testing.assert_array_equal(trained.active_units(tumours), [True, False, True, True, True])
        assert trained.kl_per_unit(tumours)[1] == 0.0
    finally:
        heads.set_weights([kernel, bias])
        path.set_weights(before)


def test_free_bits_charge_a_unit_that_carries_less_as_if_it_carried_them():
    kl = np.array([[0.0, 1.0], [0.4, 3.0]], dtype="float32")
    assert float(with_free_bits(kl, 0.5)) == pytest.approx(0.5 + 2.0)
    assert float(with_free_bits(kl, 0.0)) == pytest.approx(2.2)


def test_free_bits_are_told_in_the_history_and_keep_units_in_use(tumours):
    arguments = {"n_components": 20, "max_epochs": 40, "hidden": (), "warmup": 0.0, "beta": 20.0, "random_state": 0}
    plain, free = (
        lt.VariationalAutoencoder(**arguments, linear_path=False, free_bits=bits, learning_rate=0.01).fit(tumours)
        for bits in (0.0, 0.5)
    )
    assert "kl_charged" not in plain.history_
    charged, kl = free.history_["kl_charged"].iloc[-1], free.history_["kl"].iloc[-1]
    assert charged >= max(kl, 20 * 0.5) - 1e-3
    expected = free.history_["reconstruction"] + 20.0 * free.history_["kl_charged"]
    # Terms of some hundreds that cancel, in float32.
    np.testing.assert_allclose(free.history_["loss"], expected, rtol=1e-4, atol=1e-3)
    assert (free.kl_per_unit(tumours) > 0.1).sum() > (plain.kl_per_unit(tumours) > 0.1).sum()


@pytest.fixture(scope="module")
def batches(tumours):
    """The same tumours in two batches, the second of which is measured with a shift of every other gene."""
    batch = np.where(np.arange(len(tumours)) % 3 == 0, "B", "A")
    shift = 0.2 * (np.arange(tumours.shape[1]) % 2)
    return tumours + np.where(batch == "B", 1.0, 0.0)[:, None].astype("float32") * shift.astype("float32"), batch, shift


@pytest.fixture(scope="module")
def conditional(batches):
    x, batch, _ = batches
    return lt.VariationalAutoencoder(**FIVE).fit(x, covariate=batch)


def separated(codes, batch):
    """How far the batches' mean codes lie apart, in standard deviations."""
    return np.abs(codes[batch == "A"].mean(axis=0) - codes[batch == "B"].mean(axis=0)).max() / codes.std()


def test_a_covariate_leaves_the_code(conditional, batches):
    x, batch, shift = batches
    plain = lt.VariationalAutoencoder(**FIVE).fit(x)
    codes = conditional.transform(x, covariate=batch)
    assert codes.shape == (300, 5)
    assert separated(codes, batch) < 0.5 * separated(plain.transform(x), batch)
    # Decoded as the other batch, a sample moves by that batch's shift.
    moved = conditional.inverse_transform(codes, covariate=np.full(300, "B")) - conditional.inverse_transform(
        codes, covariate=np.full(300, "A")
    )
    # The two batches are other tumours too: the means of 99 genes over 100 and 200 of them differ by some thousandths.
    assert moved[:, shift > 0].mean() == pytest.approx(0.2, abs=0.03)
    assert moved[:, shift == 0].mean() == pytest.approx(0.0, abs=0.03)
    assert conditional.sample(4, 0, covariate=["A", "B", "A", "B"]).shape == (4, 198)
    assert conditional.score(x, covariate=batch) > plain.score(x)


def test_samples_of_an_ensemble_are_of_the_category_that_was_asked_for(batches):
    x, batch, shift = batches
    model = lt.VariationalAutoencoder(**FIVE, members=2).fit(x, covariate=batch)
    drawn = {name: model.sample(400, 0, covariate=[name] * 400).mean(axis=0) for name in "AB"}
    moved = drawn["B"] - drawn["A"]
    assert moved[shift > 0].mean() == pytest.approx(0.2, abs=0.03)
    assert moved[shift == 0].mean() == pytest.approx(0.0, abs=0.03)


def test_a_covariate_travels_with_the_model(conditional, batches, tmp_path):
    x, batch, _ = batches
    loaded = lt.load_model(conditional.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.transform(x, covariate=batch), conditional.transform(x, covariate=batch))
    assert list(loaded.categories_) == ["A", "B"]
    adata = anndata.AnnData(x, obs=pd.DataFrame({"batch": batch}, index=np.arange(len(x)).astype(str)))
    loaded.feature_names_in_ = adata.var_names.to_numpy(dtype=object)
    lt.tl.encode(adata, loaded, "vae", covariate="batch")
    np.testing.assert_array_equal(adata.obsm["X_vae"], conditional.transform(x, covariate=batch))
    assert lt.tl.loadings(loaded, adata.obsm["X_vae"]).shape == (198, 5)


@pytest.mark.parametrize(
    ("covariate", "message"),
    [
        (None, "none was given"),
        (["C"] * 300, "has not seen"),
        (["A"] * 299, "does not fit the samples"),
        (["A"] * 299 + [None], "missing for some"),
    ],
)
def test_a_covariate_that_does_not_fit_is_refused(conditional, batches, covariate, message):
    with pytest.raises(lt.InputError, match=message):
        conditional.transform(batches[0], covariate=covariate)


def test_a_covariate_that_names_the_samples_in_another_order_is_refused(conditional, batches):
    data = pd.DataFrame(batches[0], index=[f"s{i}" for i in range(300)])
    column = pd.Series(batches[1], index=data.index)
    turned, model = column[::-1], lt.VariationalAutoencoder(**FIVE)
    calls = [model.fit, *(getattr(conditional, name) for name in ("transform", "score", "kl_per_unit", "active_units"))]
    for call in calls:
        with pytest.raises(
            lt.InputError, match=r"'s0' in the data, 's299' in the covariate[^*]*covariate.loc\[X.index\]"
        ):
            call(data, covariate=turned)
    codes = conditional.transform(batches[0], covariate=batches[1])
    for covariate in (column, column.reset_index(drop=True), turned.loc[data.index]):  # numbers of rows name no sample
        np.testing.assert_array_equal(conditional.transform(data, covariate=covariate), codes)


def test_a_covariate_where_there_is_none_is_refused(trained, tumours):
    with pytest.raises(lt.InputError, match="takes no covariate"):
        trained.transform(tumours, covariate=["A"] * 300)
    with pytest.raises(lt.InputError, match="takes no covariate"):
        lt.estimators.fit_together([lt.LinearAutoencoder(2)], tumours, covariate=["A"] * 300)
    with pytest.raises(lt.InputError, match="takes no covariate"):
        lt.VariationalAutoencoder(**FIVE).fit(lt.io.MemoryMatrix(tumours), covariate=["A"] * 300)


def test_a_covariate_belongs_to_its_rows_on_disk_too(conditional, batches, monkeypatch):
    x, batch, _ = batches
    monkeypatch.setattr(lt.estimators.backed, "ROWS", 128)
    codes = conditional.transform(lt.io.MemoryMatrix(x), covariate=batch)
    np.testing.assert_array_equal(codes, conditional.transform(x, covariate=batch))
    with pytest.raises(lt.InputError, match="does not fit the samples"):
        conditional.transform(lt.io.MemoryMatrix(x), covariate=batch[:128])


def test_a_fold_may_lack_a_category(batches):
    x, batch, _ = batches
    where = np.concatenate([np.flatnonzero(batch == "A")[:100], np.flatnonzero(batch == "B")[:100]])
    models = [lt.VariationalAutoencoder(**{**FIVE, "max_epochs": 2}) for _ in range(2)]
    halves = [slice(0, 100), slice(100, 200)]
    lt.estimators.fit_together(models, x[where], covariate=batch[where], rows=halves)
    assert all(np.isfinite(model.transform(x, covariate=batch)).all() for model in models)
