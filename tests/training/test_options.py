"""What an estimator refuses before it trains, and the odd sizes that it does train."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import latentome as lt


def refusals(x, estimator):
    """The errors of `fit` and of `check`, which promises to refuse the same without training."""
    for act in (estimator.fit, estimator.check):
        with pytest.raises((lt.InputError, lt.TrainingError)) as refused:
            act(x)
        yield refused.value


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"patience": 3, "validation_fraction": 0.0}, "validation_fraction"),
        ({"optimizer": keras.optimizers.SGD(0.1), "schedule": "cosine"}, "schedule"),
        ({"optimizer": keras.optimizers.SGD(0.1), "schedule_warmup": 0.1}, "schedule"),
        ({"optimizer": keras.optimizers.SGD(0.1), "clip_norm": 1.0}, "clip"),
        ({"optimizer": "adma"}, "adam"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum"),
        ({"optimizer": "sgd", "nesterov": True}, "nesterov"),
    ],
)
def test_options_that_contradict_each_other_are_refused(parameters, named, linear, x):
    for error in refusals(x, linear(**parameters)):
        assert named in str(error)
        assert error.todo


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patience", 0),
        ("clip_norm", 0.0),
        ("schedule", "linear"),
        ("schedule_warmup", 1.0),
        ("members", 0),
        ("precision", "float16"),
        ("learning_rate", 0.0),
        ("batch_size", 0),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_name(name, value, linear, x):
    with pytest.raises(ValueError, match=name):
        linear(**{name: value}).fit(x)
    with pytest.raises(lt.InputError, match=name):
        linear(**{name: value}).check(x)


@pytest.mark.parametrize(("warmup", "steps"), [(10, 50), (11, 55)])
def test_a_kl_warm_up_that_does_not_end_inside_the_training_is_refused(warmup, steps, x):
    model = lt.VariationalAutoencoder(2, hidden=(), warmup=warmup, max_epochs=10, batch_size=20, random_state=0)
    for error in refusals(x, model):
        assert error.where == f"a warm-up of {steps} steps in a training of 10 epochs = 50 steps"


def test_a_batch_larger_than_the_data_takes_all_of_them(linear, x, same):
    mine, other = (linear(batch_size=size, max_epochs=3, optimizer="sgd").fit(x) for size in (81, 5000))
    same(mine.model_, other.model_)
    assert mine.model_.step.numpy() == 3, "one step an epoch"
    assert len(other.training_rows_) == 81


def test_an_optimizer_object_is_copied_and_its_own_schedule_counts(linear, x, same):
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([24], [0.1, 0.0])
    optimizer = keras.optimizers.SGD(rate)
    model = linear(optimizer=optimizer)
    first = model.fit(x).model_.get_weights()
    assert not optimizer.built, "the user's own object is left alone"
    same(model.fit(x).model_.get_weights(), first)
    # The rate is nothing from the 26th step on: the weights are those of five epochs.
    five = linear(max_epochs=5, optimizer="sgd", learning_rate=0.1).fit(x)
    np.testing.assert_array_equal(model.history_["learning_rate"], np.float32([0.1] * 4 + [0.0] * 6))
    same([v.numpy() for v in model.model_.trainable_variables], [v.numpy() for v in five.model_.trainable_variables],
         atol=1e-6)  # fmt: skip
