"""Tiny models in lanes and pieces: each is the single model, whatever trains beside it, on any number of processors."""

import jax
import numpy as np
import pytest

import latentome as lt
from latentome.training import engine, lanes, pieces, run

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="models train in lanes on processors only")


@pytest.fixture(scope="module")
def x():
    return lt.datasets.load("blobs").X[:70]


def deep(**changed):
    arguments = {"hidden": (3,), "code_activation": "sigmoid", "validation_fraction": 0.0, "batch_size": 32}
    return lt.DeepAutoencoder(2, **{**arguments, "max_epochs": 6, "random_state": 0, **changed})


@pytest.fixture(scope="module")
def many(x):
    """17 models: a piece that is full and one with a single model; 70 rows: a last batch that is smaller."""
    return deep(members=17).fit(x)


def weights(model) -> list[np.ndarray]:
    return [np.asarray(v) for v in model.get_weights()]


def test_each_is_the_single_model(many, x):
    for member in (0, 15, 16):
        single = deep(random_state=member).fit(x)
        for mine, other in zip(weights(many.models_[member]), weights(single.model_), strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-6)
        rows = many.history_[many.history_["member"] == member]
        np.testing.assert_allclose(rows["loss"], single.history_["loss"], rtol=1e-5)


def test_neither_company_nor_processors_change_a_bit(many, x, monkeypatch):
    monkeypatch.setattr(pieces, "processors", lambda: 1)
    for other, first in ((deep(members=17), 0), (deep(members=16, random_state=1), 1)):
        for i, model in enumerate(other.fit(x).models_):
            for mine, same in zip(weights(model), weights(many.models_[first + i]), strict=True):
                np.testing.assert_array_equal(mine, same)


def test_pieces_are_trained_in_threads(x, monkeypatch):
    import threading

    threads, of_program = set(), engine.Program.piece

    def piece(self, *args):
        compiled = of_program(self, *args)

        def noted(*args):
            threads.add(threading.current_thread())
            return compiled(*args)

        return noted

    monkeypatch.setattr(engine.Program, "piece", piece)
    deep(members=17).fit(x)
    assert threading.main_thread() not in threads
    assert threads


def test_an_interrupted_training_goes_on_to_the_same_bits(many, x, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "CHUNK_SECONDS", 0.0)  # an epoch at a time
    done = []

    def interrupt(epoch, *rest):
        done.append(epoch)
        if epoch == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="after epoch 2 of 6"):
        deep(members=17).fit(x, progress=interrupt, checkpoint=tmp_path)
    resumed = deep(members=17).fit(x, checkpoint=tmp_path, resume=True)
    assert done == [1, 2]
    np.testing.assert_array_equal(resumed.history_.to_numpy(), many.history_.to_numpy())
    for model, same in zip(resumed.models_, many.models_, strict=True):
        for mine, other in zip(weights(model), weights(same), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_one_that_diverges_is_told_and_leaves_the_others_alone(many, x):
    models = [deep(random_state=i, learning_rate=1e38 if i == 3 else 0.001) for i in range(17)]
    trainings = lt.estimators.fit_together(models, x, tolerate=True)
    assert [i for i, training in enumerate(trainings) if training.error] == [3]
    for i in (2, 4, 16):
        for mine, same in zip(weights(models[i].model_), weights(many.models_[i]), strict=True):
            np.testing.assert_array_equal(mine, same)


@pytest.mark.parametrize(
    "other",
    [
        deep(hidden=(128,)),  # its products are fast as they are
        deep(batch_size=65),
        deep(precision="bfloat16"),
        lt.DenoisingAutoencoder(2, batch_size=32),  # draws noise
    ],
)
def test_others_train_as_before(other, x):
    other.seed_ = 0
    (fit,) = other._prepare_fit(x)
    program = engine.program_for(fit.model, other.batch_size, True)
    assert not program.has_lanes(program.place(x))


def test_an_operation_with_lanes_is_that_of_each_model():
    """All rules at once, with constants, numbers for whole arrays and results that no model has of its own."""
    import jax.numpy as jnp

    constant = jnp.arange(6.0).reshape(2, 3)

    def computation(a, b, chosen):
        product = jnp.tanh(a @ b) + constant @ b.T[:, 1:2]
        picked = jnp.where(chosen > 0, product, jnp.square(product))
        return picked.T.reshape(-1), jnp.sum(a, axis=1), constant.sum(), a.mean() * jnp.ones((2, 2)), chosen

    random = np.random.default_rng(0)
    shapes = ((2, 3), (3, 3), ())
    arguments = [jnp.asarray(random.normal(size=(*shape, 5)), jnp.float32) for shape in shapes]
    ours = lanes.over_last_axis(computation, *arguments)
    theirs = jax.vmap(computation, -1, -1)(*arguments)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
