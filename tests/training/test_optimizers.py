"""What an optimizer does to the weights of a linear autoencoder, against the arithmetic by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import latentome as lt
from latentome.estimators.together import fit_together
from latentome.models import DeepModel
from latentome.training import Options, Split, apply_in_blocks, make_optimizer, train


def one_step(x, learning_rate, clip_norm):
    """The change of the weights in one step on all rows, in one vector, and the gradient by hand in float64."""
    model = DeepModel(12, 3, seed=0)
    model.compile(make_optimizer("sgd", learning_rate, clip_norm=clip_norm))
    before = [v.numpy().astype(np.float64) for v in model.trainable_variables]
    train(model, x, Split(np.arange(90), np.arange(0), 0), Options(1, 90))
    after = [v.numpy().astype(np.float64) for v in model.trainable_variables]
    inwards, bias, outwards, shift = before
    data = x.astype(np.float64)
    code = data @ inwards + bias
    error = 2 * (code @ outwards + shift - data) / data.size
    back = error @ outwards.T
    gradient = [data.T @ back, back.sum(0), code.T @ error, error.sum(0)]
    change = np.concatenate([(b - a).ravel() for a, b in zip(before, after, strict=True)])
    return change, np.concatenate([g.ravel() for g in gradient])


def test_a_clipped_step_has_the_length_of_the_clip_times_the_rate(x):
    # A rate of 1000, so that the step is of length 1 and the rounding of the weights a millionth of it.
    change, gradient = one_step(x, learning_rate=1000.0, clip_norm=1e-3)
    assert np.linalg.norm(gradient) > 10 * 1e-3, "there is something to clip"
    assert np.linalg.norm(change) == pytest.approx(1000.0 * 1e-3, rel=1e-6)
    np.testing.assert_allclose(change, -gradient / np.linalg.norm(gradient), atol=1e-5)


def test_a_gradient_below_the_clip_is_left_as_it_is(x):
    change, gradient = one_step(x, learning_rate=10.0, clip_norm=100.0)
    assert np.linalg.norm(gradient) < 100.0
    np.testing.assert_allclose(change, -10.0 * gradient, atol=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"name": "adma"}, {"name": "adam", "momentum": 0.9}, {"name": "sgd", "nesterov": True}]
)
def test_an_optimizer_that_is_none_is_refused(wrong):
    with pytest.raises(lt.InputError):
        make_optimizer(learning_rate=0.1, **wrong)


def losses(x, model, optimizer=None):
    """The losses of two epochs of one step each: before and after the first step."""
    model.compile(optimizer or make_optimizer("sgd", 0.1))
    return train(model, x, Split(np.arange(90), np.arange(0), 0), Options(2, 90)).history["loss"].tolist()


def test_a_class_of_the_same_name_is_another_model(x):
    def make(factor):
        class Mine(DeepModel):
            def __init__(self, *args, **how):
                super().__init__(*args, **how)
                vars(self)["scaled"] = keras.Sequential([self.encoder, keras.layers.Rescaling(factor)])

            def total(self, terms, weights):
                return factor * super().total(terms, weights)

        return Mine(12, 3, seed=0)

    one, two = make(1.0), make(2.0)
    np.testing.assert_allclose(apply_in_blocks(two, "scaled", x), 2 * apply_in_blocks(one, "scaled", x), rtol=1e-6)
    assert losses(x, two)[0] == pytest.approx(2 * losses(x, one)[0], rel=1e-6)


def test_an_optimizer_class_of_the_same_name_is_another_optimizer(x, linear):
    def make(factor):
        class Mine(keras.optimizers.SGD):
            def update_step(self, gradient, variable, learning_rate):
                super().update_step(factor * gradient, variable, learning_rate)

        return Mine(0.1)

    for factor in (1.0, 3.0):
        plain = losses(x, DeepModel(12, 3, seed=0), keras.optimizers.SGD(0.1 * factor))
        assert losses(x, DeepModel(12, 3, seed=0), make(factor)) == pytest.approx(plain, rel=1e-6)
    both = [linear(optimizer=make(factor), max_epochs=2) for factor in (1.0, 3.0)]
    fit_together(both, x)
    for model, factor in zip(both, (1.0, 3.0), strict=True):
        alone = linear(optimizer="sgd", learning_rate=0.1 * factor, max_epochs=2).fit(x)
        np.testing.assert_allclose(model.history_["loss"], alone.history_["loss"], rtol=1e-6)


@keras.saving.register_keras_serializable("tests")
class Flat(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of a user's own with an argument of the name that ours has."""

    def __init__(self, peak):
        self.peak = peak

    def __call__(self, step):
        return keras.ops.cast(self.peak, "float32")

    def get_config(self):
        return {"peak": self.peak}


def test_a_schedule_of_ones_own_with_a_peak_keeps_its_rate(x, linear):
    both = [linear(optimizer=keras.optimizers.SGD(Flat(rate)), max_epochs=2) for rate in (0.1, 0.3)]
    for rate, model in zip((0.1, 0.3), both, strict=True):
        assert model.fit(x).history_["learning_rate"].tolist() == [np.float32(rate)] * 2
    fit_together(both, x)
    assert [model.history_["learning_rate"][0] for model in both] == [np.float32(0.1), np.float32(0.3)]
