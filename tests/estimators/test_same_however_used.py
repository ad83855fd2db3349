"""What has to be the same however a model is used: after another one, frozen, beside a wider one, as an ensemble."""

import keras
import numpy as np
import pandas as pd
import pytest

import latentome as lt


@pytest.fixture(scope="module")
def x():
    return lt.datasets.load("tcga-33").X[:150, :12] / 20.0


def test_a_training_in_buffers_tells_its_own_rate_after_one_of_another(x):
    """Both run through one program, whose model has the schedule of the first."""
    rates = [
        lt.VariationalAutoencoder(2, hidden=(), learning_rate=rate, max_epochs=3, random_state=0)
        .fit(lt.io.MemoryMatrix(x))
        .history_["learning_rate"]
        .to_numpy()
        for rate in (0.01, 0.001)
    ]
    np.testing.assert_allclose(rates[0], 10 * rates[1], rtol=1e-5)
    assert rates[1][0] < 0.001


def test_samples_of_an_ensemble_vary_as_those_of_its_members(x):
    model = lt.VariationalAutoencoder(2, hidden=(), members=4, max_epochs=20, random_state=0).fit(x)
    alone = [lt.VariationalAutoencoder(2, hidden=(), max_epochs=20, random_state=i).fit(x) for i in range(4)]
    of_members = np.mean([one.sample(4000, random_state=0).var(axis=0).sum() for one in alone])
    assert model.sample(4000, random_state=0).var(axis=0).sum() == pytest.approx(of_members, rel=0.15)


def test_a_frozen_part_encodes_and_decodes_as_before(x):
    model = lt.VariationalAutoencoder(2, hidden=(4,), max_epochs=2, random_state=0).fit(x)
    codes = model.transform(x)
    decoded = model.inverse_transform(codes)
    one = next(layer for layer in model.encoder_.layers if layer.weights)
    for frozen in ([one], [model.encoder_, model.decoder_]):
        for part in frozen:
            part.trainable = False
        np.testing.assert_array_equal(model.transform(x), codes)
        np.testing.assert_array_equal(model.inverse_transform(codes), decoded)


def test_names_of_samples_in_another_order_are_refused_for_groups_and_codes_too(x):
    table = pd.DataFrame(x, index=[f"s{i}" for i in range(len(x))])
    kinds = pd.Series(np.resize(["a", "b"], len(x)), index=table.index)
    with pytest.raises(lt.InputError, match="groups has the samples in another order"):
        lt.LinearAutoencoder(2, max_epochs=1).fit(table, groups=kinds[::-1])
    model = lt.VariationalAutoencoder(2, hidden=(), max_epochs=1, random_state=0).fit(table, covariate=kinds)
    codes = pd.DataFrame(model.transform(table, covariate=kinds), index=table.index)
    with pytest.raises(lt.InputError, match="covariate has the samples in another order"):
        model.inverse_transform(codes, covariate=kinds[::-1])


def test_rounding_beyond_one_is_no_value_beyond_one(x):
    scaled = (x - x.min()) / (x.max() - x.min())
    scaled[0, 0] = np.nextafter(np.float32(1), np.float32(2))
    for data in (scaled, lt.io.MemoryMatrix(scaled)):
        lt.VariationalAutoencoder(2, hidden=(), likelihood="bernoulli", max_epochs=1, random_state=0).fit(data)
    scaled[0, 0] = 1.001
    with pytest.raises(lt.InputError, match=r"needs data in \[0, 1\]"):
        lt.VariationalAutoencoder(2, hidden=(), likelihood="bernoulli", max_epochs=1).fit(scaled)


@pytest.mark.parametrize("how", [{"code_activation": "softmax"}, {"optimizer": keras.optimizers.Adafactor(0.01)}])
def test_what_a_wider_neighbour_would_change_is_not_padded(x, how):
    models = [lt.DeepAutoencoder(k, hidden=(), max_epochs=3, random_state=0, **how) for k in (4, 3)]
    lt.estimators.fit_together(models, x)
    alone = lt.DeepAutoencoder(3, hidden=(), max_epochs=3, random_state=0, **how).fit(x)
    np.testing.assert_allclose(models[1].history_["loss"], alone.history_["loss"], rtol=1e-6)


def test_what_was_learned_does_not_hang_on_what_is_set_or_saved(x, tmp_path):
    model = lt.NonlinearPCA(4, max_epochs=1, random_state=0).fit(x)
    before = model.explained_variance_ratio_
    np.testing.assert_array_equal(model.set_params(n_components=3).explained_variance_ratio_, before)
    lt.VariationalAutoencoder(2, hidden=(), max_epochs=1, random_state=0).fit(x).save(tmp_path / "vae")
    assert lt.load_model(tmp_path / "vae").categories_ is None
