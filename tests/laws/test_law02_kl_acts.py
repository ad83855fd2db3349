"""Law 2. The KL term moves the loss and the gradient; its weight is live, capped, and reached inside the training."""

import jax
import keras
import numpy as np
import pytest

import latentome as lt
from latentome.models import VariationalModel
from latentome.models.losses import kl_to_standard_normal, kl_weight

# From random weights and at one learning rate, so that the KL term has everything to do.
ARGUMENTS = {
    "n_components": 5,
    "linear_path": False,
    "schedule": "constant",
    "max_epochs": 6,
    "batch_size": 100,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def tumours():
    x = lt.datasets.load("tcga-33").X[:1000]  # 900 rows of training: batches of one size
    low, high = x.min(axis=0), x.max(axis=0)
    return ((x - low) / (high - low))[:, :60]


@pytest.mark.parametrize(
    ("step", "beta", "warmup", "weight"),
    [
        (0, 1.0, 0, 1.0),
        (0, 1.0, 10, 0.0),
        (5, 1.0, 10, 0.5),
        (10, 1.0, 10, 1.0),
        (1000, 1.0, 10, 1.0),
        (5, 4.0, 10, 2.0),
        (99, 4.0, 10, 4.0),
        (7, 0.0, 10, 0.0),
    ],
)
def test_the_weight_rises_in_a_line_and_never_beyond_beta(step, beta, warmup, weight):
    assert float(kl_weight(step, beta, warmup)) == pytest.approx(weight, abs=1e-7)


def test_the_analytic_kl_equals_a_monte_carlo_estimate():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    n = 400_000
    z = mean[:, None] + np.exp(log_variance[:, None] / 2) * rng.normal(size=(3, n, 4))
    log_q = -0.5 * (np.square(z - mean[:, None]) / np.exp(log_variance[:, None]) + log_variance[:, None])
    log_ratio = (log_q + 0.5 * np.square(z)).sum(axis=2)
    standard_error = log_ratio.std(axis=1) / np.sqrt(n)
    analytic = np.asarray(kl_to_standard_normal(mean.astype("float32"), log_variance.astype("float32")))
    # Four standard errors, and the rounding of float32.
    assert np.all(np.abs(analytic - log_ratio.mean(axis=1)) < 4 * standard_error + 1e-4)


def gradient(beta, x):
    """Gradient of the encoder's heads at the first step, after any warm-up."""
    model = VariationalModel(x.shape[1], 5, beta=beta, seed=0)
    model.compile(optimizer="sgd")
    trainable = [v.value for v in model.trainable_variables]
    fixed = [v.value for v in model.non_trainable_variables]
    metrics = [v.value for v in model.metrics_variables]

    def loss(t):
        return model.compute_loss_and_updates(t, fixed, metrics, x, None, None, training=True, optimizer_variables=[])[
            0
        ]

    model.optimizer = keras.optimizers.SGD()
    index = [v.path.split("/")[-2] for v in model.trainable_variables].index("heads")
    value, gradients = jax.value_and_grad(loss)(trainable)
    return float(value), np.asarray(gradients[index])


def test_the_kl_term_moves_loss_and_gradient(tumours):
    without, flat = gradient(0.0, tumours[:50])
    with_it, steep = gradient(1.0, tumours[:50])
    twice, steeper = gradient(2.0, tumours[:50])
    assert with_it > without + 0.1
    # The loss and its gradient are linear in beta; float32 rounding of sums of some thousand terms.
    assert twice - with_it == pytest.approx(with_it - without, rel=1e-3)
    np.testing.assert_allclose(steeper - steep, steep - flat, atol=1e-3 * np.abs(steep - flat).max())
    assert np.abs(steep - flat).max() > 1e-3


def posterior_variance(model, x):
    return np.exp(np.asarray(model.model_.posterior(x)[1])).mean()


def test_training_under_the_kl_term_draws_the_posterior_towards_the_prior(tumours):
    free = lt.VariationalAutoencoder(**{**ARGUMENTS, "max_epochs": 40}, beta=0.0).fit(tumours)
    held = lt.VariationalAutoencoder(**{**ARGUMENTS, "max_epochs": 40}, beta=1.0, warmup=0.0).fit(tumours)
    assert held.history_["kl"].iloc[-1] < 0.7 * free.history_["kl"].iloc[-1]
    # Without it nothing keeps the posterior from shrinking to a point.
    assert posterior_variance(held, tumours) > 2 * posterior_variance(free, tumours)


def test_the_history_adds_up_and_beta_is_live(tumours):
    model = lt.VariationalAutoencoder(**ARGUMENTS, beta=2.0, warmup=3).fit(tumours)
    steps = int(np.ceil(len(model.training_rows_) / 100))
    expected = [np.mean([2.0 * min(1.0, (e * steps + i) / (3 * steps)) for i in range(steps)]) for e in range(6)]
    np.testing.assert_allclose(model.history_["beta"], expected, rtol=1e-5)
    assert model.history_["beta"].max() <= 2.0
    assert model.history_["beta"].iloc[-1] == pytest.approx(2.0)
    settled = model.history_.iloc[3:]
    np.testing.assert_allclose(settled["loss"], settled["reconstruction"] + 2.0 * settled["kl"], rtol=1e-5)


def test_a_warm_up_that_would_not_end_is_refused(tumours):
    with pytest.raises(lt.TrainingError, match="warm-up would not end"):
        lt.VariationalAutoencoder(**ARGUMENTS, warmup=6).fit(tumours)


def losses(preset, kappa_epochs, x):
    overrides = {"n_components": 5, "max_epochs": 4, "random_state": 0, "warmup": kappa_epochs}
    return lt.VariationalAutoencoder.from_preset(preset, **overrides).fit(x).history_["loss"].to_numpy()


def test_as_published_the_warm_up_changes_nothing_and_as_described_it_does(tumours):
    np.testing.assert_array_equal(
        losses("tybalt-2018-as-published", 1, tumours), losses("tybalt-2018-as-published", 3, tumours)
    )
    fast, slow = (losses("tybalt-2018-as-described", kappa, tumours) for kappa in (1, 3))
    assert abs(fast[1] - slow[1]) > 0.1


def test_the_constant_of_the_nih_port_never_appears(tumours):
    # -1/2 (1 + 1 - 1 - e): what its loss adds in place of the KL term, whatever the posterior is.
    history = lt.VariationalAutoencoder(**ARGUMENTS, warmup=0.0).fit(tumours).history_
    assert history["kl"].nunique() == len(history)
    assert not np.isclose(history["kl"], 0.8591409, atol=1e-6).any()
