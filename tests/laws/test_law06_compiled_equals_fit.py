"""Law 6. Compiled training equals ``model.fit`` on the same batches, to 1e-5 in the weights, for every family."""

import keras
import numpy as np
import pytest

import latentome as lt
from latentome.models import DeepModel, DenoisingModel, NonlinearPCAModel, VariationalModel
from latentome.training import Options, Split, epoch_order, make_optimizer, make_schedule, train

N, FEATURES, EPOCHS, BATCH = 230, 12, 3, 50  # four full batches and one of 30

MODELS = {
    "linear": lambda: DeepModel(FEATURES, 3, seed=1),
    "deep": lambda: DeepModel(FEATURES, 3, hidden=[8, 5], activation="gelu", seed=1),
    "denoising": lambda: DenoisingModel(
        FEATURES, 3, noise=0.2, noise_on="code", decoder_bias="minus-encoder", sparsity=0.01, seed=1
    ),
    "denoising, own weights, cross-entropy": lambda: DenoisingModel(
        FEATURES, 3, noise=0.2, noise_kind="gaussian", tied=False, loss="bernoulli", activation="sigmoid", seed=1
    ),
    "non-linear PCA": lambda: NonlinearPCAModel(FEATURES, 3, hidden=[8], seed=1),
    "variational": lambda: VariationalModel(
        FEATURES, 3, hidden=[8], linear_path=True, free_bits=0.2, warmup_steps=7, seed=1
    ),
    "variational, as published": lambda: VariationalModel(
        FEATURES,
        3,
        hidden=[6],
        hidden_batchnorm=True,
        likelihood="bernoulli",
        heads="batchnorm-relu",
        beta=0.0,
        seed=1,
    ),
}
# Every family with Adam, but for the one with biases before a batch normalisation: their gradients are rounding, of
# which Adam would make steps. The optimizers are the same code for all families, so that one shows the other one.
PUBLISHED = "variational, as published"
CASES = [(family, "adam", {}) for family in MODELS if family != PUBLISHED] + [
    (PUBLISHED, "sgd", {"momentum": 0.9}),
    ("linear", "sgd", {"momentum": 0.9, "nesterov": True}),
    ("deep", "adamw", {"clip_norm": 0.05}),
    ("linear", "rmsprop", {"momentum": 0.5}),
    ("linear", "adadelta", {}),
    ("linear", "adam", {"schedule": "cosine"}),
]
ROWS, HELD_OUT = np.arange(N), np.arange(N, N + 40)


@pytest.mark.parametrize(("family", "optimizer", "extra"), CASES, ids=[f"{f}-{o}" for f, o, _ in CASES])
def test_the_same_batches_give_the_same_weights(family, optimizer, extra):
    x = np.random.default_rng(0).uniform(size=(N, FEATURES)).astype("float32")
    held_out = np.random.default_rng(1).uniform(size=(40, FEATURES)).astype("float32")
    rate = 0.0005 if optimizer == "sgd" else 0.001
    extra = dict(extra)
    if shape := extra.pop("schedule", None):
        rate = make_schedule(rate, shape, 0.2, total_steps=EPOCHS * 5)
    ours, theirs = MODELS[family](), MODELS[family]()
    for model in (ours, theirs):
        model.adapt(x)
        model.compile(optimizer=make_optimizer(optimizer, rate, **extra))
    data = np.concatenate([x, held_out])
    history = train(ours, data, Split(ROWS, HELD_OUT, seed=3), Options(EPOCHS, BATCH)).history
    for epoch in range(EPOCHS):
        order = np.asarray(epoch_order(3, epoch, N))
        logs = theirs.fit(
            x[order], batch_size=BATCH, epochs=1, shuffle=False, verbose=0, validation_data=(held_out, None)
        ).history
        for name, values in logs.items():
            assert history[name][epoch] == pytest.approx(values[0], rel=1e-4, abs=1e-6), name
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5, rtol=1e-5)
    for mine, other in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5, rtol=1e-4)


def test_a_model_of_the_users_own_trains_too():
    x = np.random.default_rng(0).uniform(size=(N, FEATURES)).astype("float32")

    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.narrow = keras.layers.Dense(2, kernel_initializer=keras.initializers.GlorotUniform(seed=0))
            self.wide = keras.layers.Dense(FEATURES, kernel_initializer=keras.initializers.GlorotUniform(seed=1))

        def call(self, inputs):
            outputs = self.wide(self.narrow(inputs))
            self.add_loss(keras.ops.mean(keras.ops.square(inputs - outputs)))
            return outputs

    ours, theirs = Mine(), Mine()
    for model in (ours, theirs):
        model(x[:1])
        model.compile(optimizer=keras.optimizers.Adam(0.01))
    train(ours, x, Split(ROWS, ROWS[:0], seed=3), Options(2, BATCH))
    for epoch in range(2):
        theirs.fit(x[np.asarray(epoch_order(3, epoch, N))], batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


def test_each_epoch_visits_every_sample_once_in_a_new_order():
    orders = [np.asarray(epoch_order(5, epoch, N)) for epoch in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(N))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], np.asarray(epoch_order(6, 0, N)))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 16, 17, 1000, 9413, 65_537])
def test_an_order_is_a_permutation_at_any_size(n):
    np.testing.assert_array_equal(np.sort(np.asarray(epoch_order(1, 2, n))), np.arange(n))


def test_every_sample_comes_at_every_place_equally_often():
    # 20,000 orders of 10 samples: each of the 100 counts is binomial, and so are those of neighbours. A chi-square
    # beyond its 0.9999 quantile would come once in 10,000 for a fair shuffle; the seeds are fixed.
    import jax
    from scipy.stats import chi2

    n, draws = 10, 20_000
    orders = np.asarray(jax.jit(jax.vmap(lambda epoch: epoch_order(7, epoch, n)))(np.arange(draws)))
    places = np.stack([np.bincount(orders[:, i], minlength=n) for i in range(n)])
    expected = draws / n
    assert ((places - expected) ** 2 / expected).sum() < chi2.ppf(0.9999, (n - 1) ** 2)
    follows = np.zeros((n, n))
    np.add.at(follows, (orders[:, :-1].ravel(), orders[:, 1:].ravel()), 1)
    off = follows[~np.eye(n, dtype=bool)]
    expected = draws * (n - 1) / (n * (n - 1))
    assert ((off - expected) ** 2 / expected).sum() < chi2.ppf(0.9999, n * (n - 1) - 1)


def test_the_history_has_one_finite_row_an_epoch_however_the_epochs_are_cut():
    x = lt.datasets.load("blobs").X
    model = lt.LinearAutoencoder(2, max_epochs=1100, batch_size=500, random_state=0).fit(x)
    assert list(model.history_["epoch"]) == list(range(1, 1101))
    assert np.isfinite(model.history_.to_numpy()).all()
    assert list(model.history_) == [
        "epoch", "loss", "reconstruction", "learning_rate", "val_loss", "val_reconstruction",
    ]  # fmt: skip
