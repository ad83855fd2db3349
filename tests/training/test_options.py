"""What an estimator refuses before it trains, and the odd sizes that it does train."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import keras
import numpy as np
import pytest

import latentome as lt
from latentome.training.engine import Program


def refusals(x, estimator):
    """The errors of `fit` and of `check`, which promises to refuse the same without training."""
    for act in (estimator.fit, estimator.check):
        with pytest.raises((lt.InputError, lt.TrainingError)) as refused:
            act(x)
        yield refused.value


def excluding(name):
    optimizer = keras.optimizers.AdamW(0.1)
    optimizer.exclude_from_weight_decay(var_names=[name])
    return optimizer


class Unregistered(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that nobody can find by its name."""

    __module__ = None

    def __call__(self, step):
        return 0.1

    def get_config(self):
        return {}


class WithoutConfig(keras.optimizers.SGD):
    """An optimizer with an argument that its configuration lacks."""

    def __init__(self, factor):
        super().__init__(0.1 * factor)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"patience": 3, "validation_fraction": 0.0}, "validation_fraction"),
        ({"optimizer": keras.optimizers.SGD(0.1), "schedule": "cosine"}, "schedule"),
        ({"optimizer": keras.optimizers.SGD(0.1), "schedule_warmup": 0.1}, "schedule"),
        ({"optimizer": keras.optimizers.SGD(0.1), "clip_norm": 1.0}, "clip"),
        ({"optimizer": keras.optimizers.Adam(0.1, use_ema=True)}, "use_ema"),
        ({"optimizer": keras.optimizers.SGD(0.1), "momentum": 0.9}, "carries its own momentum"),
        ({"optimizer": keras.optimizers.SGD(0.1), "learning_rate": 0.5}, "learning_rate=0.5, beside"),
        ({"optimizer": excluding("kernel")}, "exclude_from_weight_decay"),
        ({"optimizer": keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))}, "LossScaleOptimizer"),
        ({"optimizer": keras.optimizers.SGD(lambda: 0.1)}, "lambda"),
        ({"optimizer": keras.optimizers.SGD(Unregistered())}, "register_keras_serializable"),
        ({"optimizer": WithoutConfig(0.1)}, "get_config"),
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


def test_a_seed_may_be_any_that_numpy_takes(linear, x, same):
    largest = linear(random_state=2**32 - 1, max_epochs=2, members=2).fit(x)
    same(largest.models_[0], linear(random_state=2**32 - 1, max_epochs=2).fit(x).model_, atol=1e-6)
    assert linear(random_state=2**31, max_epochs=2).fit(lt.io.MemoryMatrix(x)).n_iter_ == 2
    model = lt.VariationalAutoencoder(2, hidden=(), max_epochs=2, warmup=0, random_state=0).fit(x)
    bounds = [model.log_likelihood(x, 3, random_state=seed) for seed in (2**31, 2**31, 0)]
    np.testing.assert_array_equal(bounds[0], bounds[1])
    assert np.abs(bounds[0] - bounds[2]).max() > 1e-3


def test_without_a_seed_the_global_one_of_numpy_is_neither_read_nor_moved(linear, x):
    seeds = []
    for _ in range(2):
        np.random.seed(3)  # noqa: NPY002  the old way is what is tested
        seeds.append(linear(random_state=None, max_epochs=1).fit(x).seed_)
        assert np.random.randint(2**31) == np.random.RandomState(3).randint(2**31)  # noqa: NPY002
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_batch_system_sends_first_keeps_the_state(number, linear, x, same, small_chunks, tmp_path):
    def stop(done, total, row):
        if done == 4:
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        linear().fit(x, checkpoint=tmp_path, progress=stop)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    same(linear().fit(x, checkpoint=tmp_path, resume=True).model_, linear().fit(x).model_)


@pytest.mark.parametrize("of", [np.asarray, lt.io.MemoryMatrix], ids=["array", "in buffers"])
def test_a_folder_of_states_may_be_given_as_text(of, linear, x, same, small_chunks, stop_after, tmp_path):
    data, folder = of(x), f"{tmp_path}/states"
    with pytest.raises(KeyboardInterrupt):
        linear().fit(data, checkpoint=folder, progress=stop_after(3))
    same(linear().fit(data, checkpoint=folder, resume=True).model_, linear().fit(data).model_)


def test_estimators_that_train_together_may_come_one_by_one(linear, x, same):
    models = [linear(random_state=seed, max_epochs=2) for seed in (0, 1)]
    lt.estimators.fit_together((model for model in models), x)
    rounding = {} if jax.default_backend() == "cpu" else {"rtol": 1e-4, "atol": 1e-5}  # other sums: see law 7
    same(models[1].model_, linear(random_state=1, max_epochs=2).fit(x).model_, **rounding)


def test_numbers_beyond_what_steps_are_counted_in_are_only_large(linear, x, same):
    same(linear(patience=10**30, max_epochs=2).fit(x).model_, linear(patience=2, max_epochs=2).fit(x).model_)
    with pytest.raises(lt.TrainingError, match="would not end inside the training"):
        lt.VariationalAutoencoder(2, hidden=(), max_epochs=2, warmup=10**30).fit(x)


def test_threads_that_train_models_of_one_architecture_do_not_meet(x, same, monkeypatch):
    """All trace one model, which then reads traced values: pauses around it let the threads meet where they can."""
    once = Program._epoch

    def slowly(*given, **named):
        time.sleep(0.2)
        done = once(*given, **named)
        time.sleep(0.2)
        return done

    def model(beta):
        return lt.VariationalAutoencoder(2, hidden=(7,), beta=beta, max_epochs=2, random_state=0)

    def later(i):
        time.sleep(0.1 * i)
        return model(0.5 + i).fit(x[: len(x) - i])  # another shape, which is traced anew

    model(1.0).fit(x)
    monkeypatch.setattr(Program, "_epoch", slowly)
    with ThreadPoolExecutor(2) as pool:
        _, second = pool.map(later, (2, 3))
    same(second.model_, model(3.5).fit(x[:-3]).model_)
