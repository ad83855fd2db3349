"""A loss that is no longer finite stops the training at that step, says why, and costs nothing that was sound."""

from __future__ import annotations

import importlib
import io
import re

import numpy as np
import pytest

import latentome as lt
from latentome.estimators.together import fit_together
from latentome.models import DeepModel
from latentome.training import Options, Split, epoch_order, make_optimizer, train
from latentome.training.checkpoint import MAGIC
from latentome.training.diagnose import diverged

TRAIN = importlib.import_module("latentome.training.train")
N, BATCH = 81, 20
#: A learning rate with which the first epochs are still finite.
SLOWLY = 3.0


def sgd(rate):
    model = DeepModel(12, 3, seed=0)
    model.compile(make_optimizer("sgd", rate))
    return model


def fit(model, x, epochs=20, **how):
    return train(model, x, Split(np.arange(N), np.arange(N, 90), 0), Options(epochs, BATCH), **how)


def first_bad_step(x, rate, epochs=20):
    """Epoch and step, from 1, at which plain SGD in NumPy loses its finite loss, or its finite weights after it."""
    model = DeepModel(12, 3, seed=0)
    weights = [v.numpy() for v in model.trainable_variables]
    rate = np.float32(rate)
    with np.errstate(all="ignore"):
        for epoch in range(epochs):
            order = np.asarray(epoch_order(0, epoch, N))
            for step, start in enumerate(range(0, N, BATCH), start=1):
                data = x[order[start : start + BATCH]]
                inwards, bias, outwards, shift = weights
                code = data @ inwards + bias
                residual = code @ outwards + shift - data
                if not np.isfinite((residual**2).sum(axis=1).mean() / 12):
                    return epoch + 1, step
                error = residual * np.float32(2 / data.size)
                back = error @ outwards.T
                gradient = (data.T @ back, back.sum(axis=0), code.T @ error, error.sum(axis=0))
                weights = [w - rate * g for w, g in zip(weights, gradient, strict=True)]
            if not np.isfinite(sum(w.sum() for w in weights)):
                return epoch + 1, step
    return None


@pytest.mark.parametrize("rate", [3.0, 4.0, 6.0, 20.0, 1e3, 1e10, 1e30])
def test_the_first_bad_step_is_the_one_of_plain_numpy(rate, x, small_chunks):
    expected = first_bad_step(x, rate)
    with pytest.raises(lt.TrainingError, match="stopped being finite") as told:
        fit(sgd(rate), x)
    epoch, step = map(int, re.search(r"epoch (\d+), step (\d+)", told.value.where).groups())
    assert (epoch, step) == expected
    assert f"the learning rate ({np.float32(rate):.4g}) is too large" in told.value.where
    assert f"after epoch {epoch - 1}" in told.value.todo


def test_a_rate_that_plain_numpy_survives_is_survived(x):
    assert first_bad_step(x, 0.5) is None
    assert np.isfinite(fit(sgd(0.5), x).history["loss"]).all()


def test_an_update_that_is_not_finite_is_noticed_though_its_loss_was(x, same):
    """One step, of a finite loss and to infinite weights: nothing after it would have told."""
    model = sgd(1e37)
    with pytest.raises(lt.TrainingError, match="epoch 1, step 1"):
        train(model, x * np.float32(100), Split(np.arange(N), np.arange(N, 90), 0), Options(1, N))
    same(model, DeepModel(12, 3, seed=0))


def test_the_model_and_the_folder_have_the_last_sound_state(x, same, small_chunks, monkeypatch, tmp_path):
    monkeypatch.setattr(TRAIN, "CHECKPOINT_SECONDS", 1000.0)  # no state is due: the one of the divergence is kept
    epoch, _ = first_bad_step(x, SLOWLY)
    assert epoch > 1
    model, folder = sgd(SLOWLY), tmp_path / "states"
    with pytest.raises(lt.TrainingError) as told:
        fit(model, x, checkpoint=folder)
    assert str(folder) in told.value.todo
    sound = sgd(SLOWLY)
    losses = fit(sound, x, epochs=epoch - 1).history["loss"]
    assert f"the loss before it was {losses.iloc[-1]:.6g}" in told.value.where
    same(model, sound)
    assert told.value.models == [model]
    assert np.isfinite(np.concatenate([w.ravel() for w in model.get_weights()])).all()
    (newest,) = folder.iterdir()
    assert newest.name == f"{epoch - 1:012d}.state"
    with np.load(io.BytesIO(newest.read_bytes()[len(MAGIC) + 32 :])) as kept:
        assert len(kept["rows"]) == epoch - 1
        same([kept[f"state.{i}"] for i in range(4)], [v.numpy() for v in sound.trainable_variables])


def test_going_on_from_that_state_diverges_at_the_same_step(x, small_chunks, tmp_path):
    told = []
    for resume in (False, True):
        with pytest.raises(lt.TrainingError) as error:
            fit(sgd(SLOWLY), x, checkpoint=tmp_path, resume=resume)
        told.append(str(error.value))
    assert told[0] == told[1]


def test_data_on_no_usual_scale_are_the_likely_cause(x):
    with pytest.raises(lt.TrainingError, match=r"the data are not scaled \(values up to \de\+06\)"):
        fit(sgd(0.01), x * np.float32(1e6 / np.abs(x).max() * 3))


def test_a_posterior_whose_variance_overflows_is_told_apart():
    columns = ["loss", "reconstruction", "kl", "learning_rate"]
    rows = np.array([[3.0, 2.0, 1.0, 0.01], [np.inf, 2.0, np.inf, 0.01]], np.float32)
    error = diverged(rows, columns, 4, np.zeros((2, 2)), 0.01, "", "Model 2 of 3 (seed 1)")
    assert "epoch 2, step 5; the loss before it was 3; the likely cause: the log-variance" in error.where
    assert error.what == "Model 2 of 3 (seed 1): the loss stopped being finite."


RATES = (0.1, 1e3, 0.3)


def models_of(linear):
    return [linear(optimizer="sgd", learning_rate=rate, max_epochs=20) for rate in RATES]


def test_where_it_is_tolerated_the_others_finish_as_if_alone(linear, x, same):
    models = models_of(linear)
    trainings = fit_together(models, x, tolerate=True)
    assert [training.error is None for training in trainings] == [True, False, True]
    error = trainings[1].error
    assert "Model 2 of 3" in error.what
    assert "The other models went on." in error.todo
    assert "epoch 1, step 3" in error.where
    assert len(trainings[1].history) == 1
    for i in (0, 2):
        single = linear(optimizer="sgd", learning_rate=RATES[i], max_epochs=20).fit(x)
        same(single.model_, models[i].model_, atol=1e-5)
        np.testing.assert_allclose(single.history_, models[i].history_, rtol=1e-4, atol=1e-6)
        assert len(single.history_) == 20


def test_where_it_is_not_tolerated_the_model_is_named(linear, x):
    with pytest.raises(lt.TrainingError, match=r"Model 2 of 3 \(seed 0\): the loss stopped"):
        fit_together(models_of(linear), x)


def test_an_error_crosses_a_process_boundary(x):
    import pickle

    with pytest.raises(lt.TrainingError) as told:
        fit(sgd(1e3), x)
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)
