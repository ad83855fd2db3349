"""Early stopping ends when it says, leaves the best epoch's weights, and never judges a KL weight still on its way."""

from __future__ import annotations

import numpy as np
import pytest

import latentome as lt
from latentome import LinearAutoencoder
from latentome.models import DeepModel
from latentome.training import Options, Split, make_optimizer, train, train_together
from latentome.training.engine import VALIDATION_ROWS, Program, Sample
from latentome.training.live import read_live
from latentome.training.schedules import Schedule
from latentome.training.state import read_state

PATIENCE = 4


@pytest.fixture(scope="module")
def ensemble(linear, x):
    return linear(max_epochs=400, patience=PATIENCE, members=3).fit(x)


@pytest.fixture(scope="module")
def singles(linear, x):
    return [linear(max_epochs=400, patience=PATIENCE, random_state=seed).fit(x) for seed in range(3)]


def rule(losses, patience, first=0, before=np.inf):
    """The best epoch and the number of epochs trained, from validation losses of the epochs 1, 2, ...

    `before` is the loss before the first epoch, which can be the best but is none that patience is measured from.
    """
    lowest, lowest_loss = 0, np.inf
    for epoch, loss in enumerate(losses, start=1):
        if epoch >= first and loss < lowest_loss:
            lowest, lowest_loss = epoch, loss
        if epoch - max(lowest, first) >= patience:
            break
    return lowest if lowest_loss < before else 0, epoch


def test_it_stops_after_as_many_epochs_without_a_better_loss_and_not_before(singles):
    for model in singles:
        losses = model.history_["val_loss"].to_numpy()
        assert len(losses) < 400
        assert (model.best_epoch_, model.n_iter_) == rule(losses, PATIENCE)
        assert model.n_iter_ == len(losses) == model.best_epoch_ + PATIENCE
        assert model.best_epoch_ == 1 + np.argmin(losses)


def test_the_model_has_the_weights_of_the_best_epoch(singles, linear, x, same):
    model = singles[0]
    held_out = x[model.validation_rows_]
    residual = held_out - model.inverse_transform(model.transform(held_out))
    assert np.mean(residual**2) == pytest.approx(model.history_["val_loss"].min(), rel=1e-5)
    # A training of exactly that many epochs: to the bit in the same program, as close as two programs come in another.
    same(linear(max_epochs=model.best_epoch_, patience=PATIENCE).fit(x).model_, model.model_)
    same(linear(max_epochs=model.best_epoch_).fit(x).model_, model.model_, atol=1e-6)
    later = linear(max_epochs=model.n_iter_).fit(x)
    assert (
        max(np.abs(a - b).max() for a, b in zip(later.model_.weights[1:], model.model_.weights[1:], strict=True)) > 0.01
    )


def test_every_member_stops_by_itself_and_is_its_single_training(ensemble, singles, same):
    assert len(set(ensemble.best_epoch_)) == 3, "they stop at different times"
    for member, single in enumerate(singles):
        table = ensemble.history_[ensemble.history_["member"] == member].drop(columns="member")
        assert ensemble.best_epoch_[member] == single.best_epoch_
        np.testing.assert_allclose(table.to_numpy(), single.history_.to_numpy(), rtol=1e-4, atol=1e-6)
        same(ensemble.models_[member], single.model_, atol=1e-5)
    assert ensemble.n_iter_ == max(single.n_iter_ for single in singles)


@pytest.mark.parametrize("rows", [VALIDATION_ROWS - 1, VALIDATION_ROWS, 3 * VALIDATION_ROWS + 5])
def test_every_held_out_row_counts_once(rows):
    x = np.random.default_rng(0).normal(size=(20 + rows, 6)).astype("float32")
    model = DeepModel(6, 2, seed=0)
    model.compile(make_optimizer("sgd", 1e-30))
    split = Split(np.arange(20), np.arange(20, 20 + rows), 0)
    loss = train(model, x, split, Options(1, 20)).history["val_loss"].iloc[0]
    held_out = x[20:].astype(float)
    assert loss == pytest.approx(np.square(held_out - model.predict(held_out, verbose=0)).mean(), rel=1e-5)


def test_the_program_does_not_grow_with_the_held_out_rows():
    model = DeepModel(6, 2, seed=0)
    model.compile(make_optimizer("sgd", 0.01))
    program, state = Program(model, 20), read_state(model, keep_best=True)
    lengths = []
    for rows in (3 * VALIDATION_ROWS, 30 * VALIDATION_ROWS):
        sample = Sample(np.arange(20), np.arange(rows), 0, 1, read_live(model))
        lengths.append(len(program.start.lower(state, np.zeros((rows, 6), "float32"), sample).as_text().splitlines()))
    assert lengths[0] == lengths[1]


def test_a_training_that_stays_worse_is_left_as_it_was_before_the_first_epoch(linear, x, same):
    model = linear(max_epochs=400, patience=PATIENCE, learning_rate=30.0).fit(x)
    losses = model.history_["val_loss"].to_numpy()
    assert (model.best_epoch_, model.n_iter_) == rule(losses, PATIENCE, before=10.0)
    assert losses.min() > 1000
    same(model.model_, DeepModel(12, 3, seed=0))


def test_the_start_is_a_candidate_but_patience_is_not_lost_to_it(linear, x):
    """Large steps first make a good start worse, for longer than the patience, and then better as they get small."""
    start = linear(max_epochs=15).fit(x)
    before = start.history_["val_loss"].iloc[-1]
    start.model_.compile(make_optimizer("adam", Schedule(0.3, "cosine", total_steps=300)))
    split = Split(start.training_rows_, start.validation_rows_, 0)
    trained = train(start.model_, x, split, Options(60, 20, patience=PATIENCE, keep_best=True))
    losses = trained.history["val_loss"].to_numpy()
    assert losses[: PATIENCE + 1].min() > before > losses.min()
    assert (trained.best_epoch, len(losses)) == rule(losses, PATIENCE, before=before)
    assert PATIENCE < trained.best_epoch < len(losses) < 60


def test_a_loss_that_stays_the_same_is_not_better(linear, x):
    # A learning rate so small that no weight changes: every epoch has the loss of epoch 0.
    model = linear(max_epochs=400, patience=PATIENCE, learning_rate=1e-30).fit(x)
    assert model.history_["val_loss"].nunique() == 1
    assert (model.best_epoch_, model.n_iter_) == (0, 1 + PATIENCE)


def variational(warmup, **parameters):
    return lt.VariationalAutoencoder(
        3, hidden=(), linear_path=False, beta=4.0, warmup=warmup, learning_rate=0.05, schedule="constant",
        batch_size=20, max_epochs=40, patience=3, random_state=0, **parameters,
    )  # fmt: skip


@pytest.fixture(scope="module")
def warming(x):
    """One with a warm-up of 10 epochs, and one of 52 steps, which end within epoch 11 of 5 steps each."""
    return {10: variational(10).fit(x), 11: variational(0.26).fit(x)}


def test_the_warm_up_is_neither_a_candidate_nor_patience_lost(warming):
    for first, model in warming.items():
        losses = model.history_["val_loss"].to_numpy()
        assert rule(losses, 3)[1] < first, "without the rule for the warm-up it would have stopped inside"
        assert (model.best_epoch_, model.n_iter_) == rule(losses, 3, first)
        assert first <= model.best_epoch_ < model.n_iter_ < 40
        assert model.n_iter_ >= first + 3
        assert model.history_["val_beta"][first - 2] < 4.0 == model.history_["val_beta"][first - 1]


def test_models_with_different_warm_ups_in_one_program_have_their_own_first_candidates(ensemble, x):
    # Linear models that say that they warm up, in the program of the ensemble above; steps of which 5 are an epoch.
    models, splits, firsts = [], [], (30, 12, 45)
    for seed, first in enumerate(firsts):
        model = DeepModel(12, 3, seed=seed)
        model.compile(make_optimizer("adam", 0.01))
        model.warmup_steps = 5 * first - seed
        models.append(model)
        splits.append(Split(*LinearAutoencoder(validation_fraction=0.1)._hold_out(90, seed), seed))
    trainings = train_together(models, x, splits, Options(400, 20, patience=PATIENCE, keep_best=True))
    for training, first, without in zip(trainings, firsts, ensemble.best_epoch_, strict=True):
        losses = training.history["val_loss"].to_numpy()
        assert (training.best_epoch, len(losses)) == rule(losses, PATIENCE, first)
        assert training.best_epoch >= max(first, 1)
        assert (training.best_epoch == without) == (first <= without)


def test_a_resumed_training_stops_at_the_same_epoch_with_the_same_bits(
    singles, linear, x, same, small_chunks, stop_after, tmp_path
):
    whole = singles[0]
    for epoch in (whole.best_epoch_ // 2, whole.best_epoch_ + 2):  # before the best epoch, and between it and the end
        folder = tmp_path / str(epoch)
        model = linear(max_epochs=400, patience=PATIENCE)
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, checkpoint=folder, progress=stop_after(epoch))
        model.fit(x, checkpoint=folder, resume=True)
        assert (model.best_epoch_, model.n_iter_) == (whole.best_epoch_, whole.n_iter_)
        same(model.model_, whole.model_)
        np.testing.assert_array_equal(model.history_.to_numpy(), whole.history_.to_numpy())


def test_what_became_of_a_training_says_whether_it_stopped(x):
    def trained(epochs, patience):
        model = DeepModel(12, 3, seed=0)
        model.compile(make_optimizer("adam", 0.01))
        options = Options(epochs, 20, patience=patience, keep_best=True)
        return train(model, x, Split(np.arange(81), np.arange(81, 90), 0), options)

    assert trained(400, PATIENCE).stopped_early
    best = trained(12, None)
    assert not best.stopped_early
    assert best.best_epoch == 1 + best.history["val_loss"].argmin()
