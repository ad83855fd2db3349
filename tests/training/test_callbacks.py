"""Keras callbacks see a compiled training as they see ``model.fit``, and what they change counts."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

import latentome as lt
from latentome.estimators.together import fit_together

EPOCHS = 10


class Watch(keras.callbacks.Callback):
    """Notes every call, and the weights at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.calls, self.weights = [], []

    def on_train_begin(self, logs=None):
        self.calls.append("train begins")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("begins", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("ends", epoch, logs))
        self.weights.append(self.model.get_weights())

    def on_train_end(self, logs=None):
        self.calls.append("train ends")


def test_they_are_called_once_an_epoch_with_its_row_and_its_weights(linear, x, same):
    watch = Watch()
    model = linear().fit(x, callbacks=[watch])
    same(model.model_, linear().fit(x).model_)
    rows = model.history_.drop(columns="epoch").to_dict("records")
    expected = [call for e in range(EPOCHS) for call in (("begins", e), ("ends", e, rows[e]))]
    assert watch.calls == ["train begins", *expected, "train ends"]
    for epoch in (1, 4):
        same(watch.weights[epoch - 1], linear(max_epochs=epoch).fit(x).model_.get_weights())


def test_the_csv_file_is_the_history(linear, x, tmp_path):
    model = linear().fit(x, callbacks=[keras.callbacks.CSVLogger(tmp_path / "log.csv")])
    table = pd.read_csv(tmp_path / "log.csv", dtype=str).astype(np.float64)
    assert set(table) == set(model.history_)
    assert list(table["epoch"]) == list(range(EPOCHS)), "Keras counts from 0"
    table["epoch"] += 1
    np.testing.assert_array_equal(table[list(model.history_)].to_numpy(), model.history_.to_numpy())


def test_a_scheduled_rate_is_the_rate_of_its_epoch(linear, x, same):
    # No rate from the fourth epoch on: the weights are those after three.
    stop = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 if epoch < 3 else 0.0)
    model = linear().fit(x, callbacks=[stop])
    np.testing.assert_array_equal(model.history_["learning_rate"], np.float32([0.01] * 3 + [0.0] * 7))
    three = linear(max_epochs=3).fit(x)
    assert model.model_.step.numpy() == 10 * 5
    same([v.numpy() for v in model.model_.trainable_variables], [v.numpy() for v in three.model_.trainable_variables])
    falling = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    rates = linear().fit(x, callbacks=[falling]).history_["learning_rate"]
    np.testing.assert_allclose(rates, 0.01 * 0.5 ** np.arange(1, EPOCHS + 1), rtol=1e-6)


def test_early_stopping_of_keras_restores_the_best_weights(linear, x, same):
    patience = 3
    watch, stop = Watch(), keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    model = linear(max_epochs=400, learning_rate=0.05).fit(x, callbacks=[watch, stop])
    losses = model.history_["val_loss"].to_numpy()
    best = int(np.argmin(losses))
    assert 0 < best < len(losses) - 1 < 399
    assert len(losses) == best + 1 + patience
    same(model.model_.get_weights(), watch.weights[best])
    assert watch.calls[-1] == "train ends"


def test_a_plateau_lowers_the_rate_by_the_rule(linear, x):
    reduce = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2, min_delta=0.0)
    table = linear(max_epochs=40, learning_rate=0.05).fit(x, callbacks=[reduce]).history_
    rate, wait, best, expected = np.float32(0.05), 0, np.inf, []
    for loss in table["val_loss"]:
        expected.append(rate)
        wait = 0 if loss < best else wait + 1
        best = min(best, loss)
        if wait >= 2:
            rate, wait = np.float32(rate * 0.5), 0
    assert len(set(expected)) > 2, "it was lowered more than once"
    np.testing.assert_allclose(table["learning_rate"], expected, rtol=1e-6)


def test_weights_that_a_callback_sets_are_trained_on(linear, x, same):
    fresh = linear(random_state=3, max_epochs=1, learning_rate=1e-30).fit(x).model_.get_weights()

    class Replace(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == EPOCHS - 1:
                self.model.set_weights(fresh)

    same(linear().fit(x, callbacks=[Replace()]).model_.get_weights(), fresh)


def test_a_resumed_training_with_callbacks_goes_on_to_the_same_bits(
    linear, x, same, small_chunks, stop_after, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        linear().fit(x, checkpoint=tmp_path, progress=stop_after(4), callbacks=[Watch()])
    watch = Watch()
    model = linear().fit(x, checkpoint=tmp_path, resume=True, callbacks=[watch])
    assert [call[1] for call in watch.calls if call[0] == "begins"] == list(range(4, EPOCHS))
    same(model.model_, linear().fit(x).model_)


def test_a_model_checkpoint_keeps_the_best_weights(linear, x, same, tmp_path):
    path = tmp_path / "best.weights.h5"
    watch = Watch()
    keep = keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True, save_weights_only=True)
    model = linear(max_epochs=30, learning_rate=0.05).fit(x, callbacks=[watch, keep])
    best = int(model.history_["val_loss"].argmin())
    assert best < 29
    model.model_.load_weights(path)
    same(model.model_.get_weights(), watch.weights[best])


def test_tensorboard_writes_the_losses_of_every_epoch(linear, x, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard")
    model = linear().fit(x, callbacks=[keras.callbacks.TensorBoard(tmp_path, write_graph=False)])
    for folder, column in (("train", "loss"), ("validation", "val_loss")):
        (file,) = (tmp_path / folder).iterdir()
        events = tensorflow.compat.v1.train.summary_iterator(str(file))
        written = [value for event in events for value in event.summary.value if value.tag == "epoch_loss"]
        values = [float(tensorflow.make_ndarray(value.tensor)) for value in written]
        np.testing.assert_allclose(values, model.history_[column], rtol=1e-6)


def test_callbacks_of_several_models_are_refused(linear, x):
    with pytest.raises(lt.InputError, match="callbacks see one model"):
        linear(members=2).fit(x, callbacks=[Watch()])
    with pytest.raises(lt.InputError, match="callbacks see one model"):
        fit_together([linear(), linear(random_state=1)], x, callbacks=[Watch()])


class End(keras.callbacks.Callback):
    """Ends the training after the tenth epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 9


@pytest.mark.parametrize("refit", ["auto", True])
def test_callbacks_of_a_model_that_is_trained_twice_are_refused_before_anything_is_trained(x, refit):
    watch = Watch()
    with pytest.raises(lt.InputError, match="trained a second time") as refusal:
        lt.NonlinearPCA(2, max_epochs=2, refit=refit, random_state=0).fit(x, callbacks=[watch])
    assert "refit=False" in refusal.value.todo
    assert watch.calls == []
    lt.NonlinearPCA(2, max_epochs=2, refit=refit, validation_fraction=0, patience=None, random_state=0).fit(
        x, callbacks=[watch]
    )
    assert watch.calls[-1] == "train ends", "without held-out rows there is no second training"


def test_a_training_that_a_callback_ended_is_not_gone_on_with(same, stop_after, tmp_path):
    t = np.random.default_rng(0).normal(size=(200, 2))
    curved = np.concatenate([t, t**2, t[:, :1] * t[:, 1:], np.sin(2 * t)], axis=1).astype("float32")
    how = {"max_epochs": 20, "learning_rate": 0.01, "schedule": "constant", "refit": False, "random_state": 0}

    whole = lt.NonlinearPCA(2, **how).fit(curved, callbacks=[End()])
    assert (whole.best_epoch_, whole.n_iter_) == (10, 10)
    with pytest.raises(KeyboardInterrupt, match="at its end"):
        lt.NonlinearPCA(2, **how).fit(curved, callbacks=[End()], checkpoint=tmp_path, progress=stop_after(10))
    resumed = lt.NonlinearPCA(2, **how).fit(curved, callbacks=[End()], checkpoint=tmp_path, resume=True)
    same(resumed.model_, whole.model_)
    assert (resumed.best_epoch_, resumed.n_iter_) == (10, 10)


def test_callbacks_know_the_length_of_the_training(x):
    seen = []

    class Length(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(self.params["epochs"])

    lt.LinearAutoencoder(2, max_epochs=3, random_state=0).fit(x, callbacks=[Length()])
    assert seen == [3, 3, 3]
