"""Law 7. A training stopped anywhere and resumed equals the uninterrupted one, bit for bit."""

import numpy as np
import pytest

import latentome as lt

FAMILIES = [
    lt.DeepAutoencoder(3, hidden=(8,), max_epochs=40, random_state=0),
    lt.DenoisingAutoencoder(3, max_epochs=40, random_state=0),
    lt.VariationalAutoencoder(3, hidden=(), max_epochs=40, random_state=0),
]


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
    file = tmp_path / "training.npz"
    with pytest.raises(KeyboardInterrupt, match="interrupted after epoch"):
        model.fit(x, progress=StopAfter(1), checkpoint=file)
    assert file.exists()
    model.fit(x, checkpoint=file, resume=True)
    for resumed, uninterrupted in zip(model.model_.get_weights(), whole, strict=True):
        np.testing.assert_array_equal(resumed, uninterrupted)
    np.testing.assert_array_equal(model.history_.to_numpy(), history.to_numpy())


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
    file = tmp_path / "training.npz"
    model = FAMILIES[0]
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, progress=StopAfter(1), checkpoint=file)
    other = type(model)(**{**model.get_params(), **change})
    with pytest.raises(lt.TrainingError, match=named):
        other.fit(x, checkpoint=file, resume=True)
    with pytest.raises(lt.TrainingError, match="the training data"):
        model.fit(x + 0.001, checkpoint=file, resume=True)
