"""What an optimizer does to the weights of a linear autoencoder, against the arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest

import latentome as lt
from latentome.models import DeepModel
from latentome.training import Options, Split, make_optimizer, train


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
