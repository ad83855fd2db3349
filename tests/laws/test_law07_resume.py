"""Law 7. A training stopped anywhere and resumed equals the uninterrupted one, bit for bit."""

import jax
import numpy as np
import pytest

import latentome as lt
from latentome.training.engine import Program

# 180 rows in three equal batches (law 6 has the smaller last one): a shorter program compiles faster.
SMALL = {"max_epochs": 40, "batch_size": 60, "random_state": 0}
FAMILIES = [
    lt.DeepAutoencoder(3, hidden=(8,), **SMALL),
    lt.DenoisingAutoencoder(3, **SMALL),
    lt.NonlinearPCA(3, hidden=(8,), **SMALL),
    lt.VariationalAutoencoder(3, hidden=(), **SMALL),
]
#: How far a member of an ensemble may be from the single model: no bit on processors; elsewhere sums have other orders.
SAME = {"rtol": 0.0, "atol": 0.0} if jax.default_backend() == "cpu" else {"rtol": 1e-4, "atol": 1e-5}


class StopAfter:
    """Presses Ctrl-C once, after the chunk that reaches an epoch."""

    def __init__(self, epoch):
        self.epoch, self.pressed = epoch, False

    def __call__(self, done, total, row):
        import signal

        if done >= self.epoch and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("model", FAMILIES, ids=lambda m: m.family)
def test_an_interrupted_training_goes_on_to_the_same_bits(model, tmp_path):
    x = lt.datasets.load("tcga-33").X[:200, :50] / 20.0
    whole = model.fit(x).model_.get_weights()
    history = model.history_
    folder = tmp_path / "states"
    with pytest.raises(KeyboardInterrupt, match="interrupted after epoch"):
        model.fit(x, progress=StopAfter(1), checkpoint=folder)
    assert len(list(folder.iterdir())) == 1
    model.fit(x, checkpoint=folder, resume=True)
    for resumed, uninterrupted in zip(model.model_.get_weights(), whole, strict=True):
        np.testing.assert_array_equal(resumed, uninterrupted)
    np.testing.assert_array_equal(model.history_.to_numpy(), history.to_numpy())


def test_an_interrupted_second_round_goes_on_to_the_same_bits(tmp_path):
    x = lt.datasets.load("tcga-33").X[:200, :50] / 20.0
    model = lt.NonlinearPCA(3, hidden=(8,), learning_rate=0.01, **SMALL)
    whole = model.fit(x).model_.get_weights()
    history, best = model.history_, model.best_epoch_
    rounds = []

    class StopInTheSecondRound(StopAfter):
        def __call__(self, done, total, row):
            rounds.append("val_loss" not in row)
            if rounds[-1]:
                super().__call__(done, total, row)

    folder = tmp_path / "states"
    with pytest.raises(KeyboardInterrupt, match=f"interrupted after epoch [0-9]+ of {best}"):
        model.fit(x, progress=StopInTheSecondRound(1), checkpoint=folder)
    assert rounds[0] is False, "there was a first round"
    went_on = []
    model.fit(x, progress=lambda done, total, row: went_on.append("val_loss" in row), checkpoint=folder, resume=True)
    assert not any(went_on), "the first round is not trained again"
    for resumed, uninterrupted in zip(model.model_.get_weights(), whole, strict=True):
        np.testing.assert_array_equal(resumed, uninterrupted)
    np.testing.assert_array_equal(model.history_.to_numpy(), history.to_numpy())
    assert model.best_epoch_ == best


@pytest.mark.parametrize("model", FAMILIES, ids=lambda m: m.family)
def test_a_member_of_an_ensemble_is_the_single_model_of_its_seed(model, monkeypatch):
    x = lt.datasets.load("tcga-33").X[:200, :50] / 20.0
    singles = [type(model)(**{**model.get_params(), "random_state": member}).fit(x) for member in range(3)]
    ensemble = type(model)(**{**model.get_params(), "members": 3})
    codes = np.split(ensemble.fit(x).transform(x), 3, axis=1)
    for member, single in enumerate(singles):
        theirs = ensemble.models_[member].get_weights()
        for mine, other in zip(single.models_[0].get_weights(), theirs, strict=True):
            np.testing.assert_allclose(mine, other, **SAME)
        np.testing.assert_allclose(codes[member], single.transform(x), atol=1e-6)  # encoded as one batch
        table = ensemble.history_[ensemble.history_["member"] == member].drop(columns="member")
        np.testing.assert_allclose(table.to_numpy(), single.history_.to_numpy(), **{**SAME, "rtol": 10 * SAME["rtol"]})

    # As on an accelerator: all members are one program, whose sums run in another order.
    monkeypatch.setattr(Program, "in_threads", False)
    ensemble.fit(x)
    for member, single in enumerate(singles):
        theirs = ensemble.models_[member].get_weights()
        for mine, other in zip(single.models_[0].get_weights(), theirs, strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(np.split(ensemble.transform(x), 3, axis=1)[member], single.transform(x), atol=1e-4)
        table = ensemble.history_[ensemble.history_["member"] == member].drop(columns="member")
        np.testing.assert_allclose(table.to_numpy(), single.history_.to_numpy(), rtol=1e-3, atol=1e-5)


def test_each_member_has_a_second_round_of_its_own_length():
    x = lt.datasets.load("tcga-33").X[:200, :50] / 20.0
    model = lt.NonlinearPCA(3, hidden=(8,), learning_rate=0.01, members=3, **SMALL).fit(x)
    assert len(set(model.second_round_)) > 1, model.second_round_
    for member in range(3):
        single = lt.NonlinearPCA(3, hidden=(8,), learning_rate=0.01, **{**SMALL, "random_state": member}).fit(x)
        assert single.best_epoch_ == model.second_round_[member]
        for mine, other in zip(single.model_.get_weights(), model.models_[member].get_weights(), strict=True):
            # Two rounds at ten times the usual rate: on a GPU rounding grows to 3e-5.
            np.testing.assert_allclose(mine, other, **{name: 10 * value for name, value in SAME.items()})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"random_state": 1}, "the model and its seed"),
        ({"learning_rate": 0.01}, "the optimizer"),
        ({"batch_size": 20}, "the batch size"),
        ({"hidden": (4,)}, "the model and its seed"),
    ],
)
def test_another_training_is_refused_by_name(change, named, tmp_path):
    x = lt.datasets.load("tcga-33").X[:200, :50] / 20.0
    folder = tmp_path / "states"
    model = FAMILIES[0]
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, progress=StopAfter(1), checkpoint=folder)
    other = type(model)(**{**model.get_params(), **change})
    with pytest.raises(lt.TrainingError, match=named):
        other.fit(x, checkpoint=folder, resume=True)
    with pytest.raises(lt.TrainingError, match="the training data"):
        model.fit(x + 0.001, checkpoint=folder, resume=True)
