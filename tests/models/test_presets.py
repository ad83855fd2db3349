"""The presets: sizes of the published models, one source each, and the table of the documentation."""

import re
from pathlib import Path

import numpy as np
import pytest

import latentome as lt
from latentome.estimators import FAMILIES
from latentome.models.presets import PRESETS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def model_of(name, n_features):
    return FAMILIES[PRESETS[name].family].from_preset(name)._make_model(n_features, 0, steps_per_epoch=10)


def sizes(model):
    """Values that are trained, and values that are not, without the counter of the steps and the noise streams."""
    count = [sum(int(np.prod(v.shape)) for v in group) for group in (model.trainable_weights, model.weights)]
    return count[0], count[1] - count[0] - 1


@pytest.mark.parametrize(
    ("name", "n_features", "trained", "fixed"),
    [
        ("class3-model1", 9, 47, 0),
        ("class3-model2", 9, 131, 0),
        # 2 x 500,100 in the heads, 2 x 400 in their normalisations, 505,000 in the decoder: 1,506,000 in all.
        ("tybalt-2018-as-published", 5000, 1_505_600, 400),
        ("tybalt-2018-as-described", 5000, 1_505_600, 400),
        # 500,100 + 400, 2 x (10,100 + 400), 10,100 + 505,000; half of each normalisation is not trained.
        ("tybalt-2018-two-hidden-100", 5000, 1_036_600 - 600, 600),
        ("tybalt-2018-two-hidden-300", 5000, 3_097_800 - 1000, 1000),
        ("adage-2016", 5549, 5549 * 50 + 50 + 5549, 0),
        ("adage-tybalt-2018", 5000, 500_100 + 505_000, 0),
        ("adage-tybalt-2018-tied", 5000, 500_100, 0),
    ],
)
def test_the_sizes_are_the_published_ones(name, n_features, trained, fixed):
    assert sizes(model_of(name, n_features)) == (trained, fixed)


def test_every_preset_is_made_by_its_family_and_names_its_source():
    for name, preset in PRESETS.items():
        estimator = FAMILIES[preset.family].from_preset(name, random_state=0)
        estimator._validate_params()
        assert {key: getattr(estimator, key) for key in preset.parameters} == preset.parameters
        assert preset.source
        assert preset.scaling in ("none", "zero-one")


def test_the_table_of_the_documentation_is_made_of_the_presets():
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\| `([^`]+)` \| (\w+) \| (.*) \| (.*) \|$", line):
            rows[found[1]] = found.groups()[1:]
    expected = {name: (preset.family, preset.source, preset.note or "-") for name, preset in PRESETS.items()}
    assert rows == expected, "make the table anew with tools/preset_table.py"


def test_the_initial_weights_of_adage_are_those_of_sigmoid_units():
    kernel = model_of("adage-2016", 200).encoder.get_layer("code").get_weights()[0]
    limit = 4.0 * np.sqrt(6.0 / 250.0)
    # The largest of 10,000 uniform values is within 0.1 % of the limit but for a chance of 5e-5.
    assert 0.999 * limit < np.abs(kernel).max() <= limit


def test_one_order_for_all_epochs_and_no_smaller_last_batch():
    x = np.random.default_rng(0).uniform(size=(57, 6)).astype("float32")
    model = lt.DenoisingAutoencoder.from_preset("adage-2016", n_components=2, max_epochs=3, random_state=0).fit(x)
    assert len(model.training_rows_) == 50
    assert not np.array_equal(model.training_rows_, np.sort(model.training_rows_))
    assert model._options(False, 50).shuffle is False
    with pytest.raises(lt.InputError, match="fixed order"):
        lt.DenoisingAutoencoder(drop_last=True).fit(x)
    with pytest.raises(lt.InputError, match="in chunks"):
        lt.DenoisingAutoencoder(shuffle="once").fit(lt.io.MemoryMatrix(x))


def test_tied_as_in_tybalt_subtracts_the_bias_and_drops_the_code_only():
    model = model_of("adage-tybalt-2018-tied", 20)
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(20, 100)).astype("float32"), rng.uniform(size=100).astype("float32")
    model.encoder.get_layer("code").set_weights([kernel, bias])
    z = rng.uniform(size=(30, 100)).astype("float32")
    plain = 1.0 / (1.0 + np.exp(-(z - bias) @ kernel.T))
    np.testing.assert_allclose(model.decoder(z), plain, atol=1e-5)
    x = rng.uniform(size=(30, 20)).astype("float32")
    code = np.maximum(x @ kernel + bias, 0.0)
    model.live.noise = 1.0 - 1e-6  # hardly a code is left: the output is that of a code of nothing
    blank = 1.0 / (1.0 + np.exp(bias @ kernel.T))
    np.testing.assert_allclose(model(x, training=True), np.tile(blank, (30, 1)), atol=1e-5)
    np.testing.assert_allclose(model(x, training=False), model.decoder(code), atol=1e-5)
    with pytest.raises(lt.InputError, match="bias of its own"):
        lt.DenoisingAutoencoder(tied=False, decoder_bias="minus-encoder").fit(x)
