"""Products in bfloat16 train as well as in float32 on real data; what is kept and returned stays float32."""

from __future__ import annotations

import numpy as np
import pytest

import latentome as lt
from latentome.models import DeepModel

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def tumours():
    return (lt.datasets.load("tcga-33").X[:400] / 20.0).astype("float32")


@pytest.fixture(scope="module")
def trained(tumours):
    """Three models of each precision; each precision compiles one program."""

    def fit(precision, seed):
        return lt.LinearAutoencoder(10, max_epochs=60, learning_rate=0.005, precision=precision, random_state=seed).fit(
            tumours
        )

    return {precision: [fit(precision, seed) for seed in SEEDS] for precision in ("float32", "bfloat16")}


def test_the_losses_agree(trained):
    # Measured on the seeds 0 to 7: final losses within 1.2 % of each other, validation losses within 4 %; seven of the
    # eight within 0.5 % and 0.5 %. Both fall to 3 % of what they were after the first epoch.
    for whole, half in zip(trained["float32"], trained["bfloat16"], strict=True):
        for column, tolerance in (("loss", 0.03), ("val_loss", 0.06)):
            assert half.history_[column].iloc[-1] == pytest.approx(whole.history_[column].iloc[-1], rel=tolerance)
        first = whole.history_["loss"].iloc[0]
        assert whole.history_["loss"].iloc[-1] < 0.05 * first, "there is something to lose"
        assert (half.history_["loss"].iloc[1:] != whole.history_["loss"].iloc[1:]).any()


def test_scores_agree(trained, tumours):
    # Measured on the seeds 0 to 7: explained variances from 0.38 to 0.43, within 0.03 of each other.
    for whole, half in zip(trained["float32"], trained["bfloat16"], strict=True):
        assert half.score(tumours) == pytest.approx(whole.score(tumours), abs=0.05)


def test_weights_optimizer_and_results_are_float32(trained, tumours):
    model = trained["bfloat16"][0]
    kinds = {v.dtype for v in (*model.model_.trainable_variables, *model.model_.optimizer.variables[2:])}
    assert kinds == {"float32"}
    codes = model.transform(tumours)
    assert codes.dtype == np.float32
    assert model.inverse_transform(codes).dtype == np.float32


def test_the_products_are_really_in_bfloat16(trained, tumours):
    # The same weights in both precisions: bfloat16 keeps 8 bits, float32 24.
    model = trained["bfloat16"][0]
    exact = DeepModel.from_config({**model.model_.get_config(), "precision": "float32"})
    exact.set_weights(model.model_.get_weights())
    codes = exact.encoder.predict(tumours, verbose=0)
    error = np.abs(model.transform(tumours) - codes).max() / np.abs(codes).max()
    assert 2**-16 < error < 2**-5
