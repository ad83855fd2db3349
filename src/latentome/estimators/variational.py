"""The variational autoencoder."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from latentome.errors import InputError
from latentome.estimators.backed import refuse_backed
from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.checks import check_widths
from latentome.estimators.covariate import one_hot, read_categories
from latentome.models import VariationalModel
from latentome.pp.split import check_order
from latentome.training import apply_in_blocks, bounds_in_blocks

#: A component is active where its posterior mean varies by more than this over the samples (Burda et al. 2016).
ACTIVE = 0.01
#: The longest warm-up in steps, which are counted in int32; none of that length would end inside a training.
MOST_STEPS = 2**31 - 1
#: Draws of the posterior behind each sample's `score`; the KL divergence is exact.
SCORE_DRAWS = 32


class VariationalAutoencoder(BaseAutoencoder):
    """A variational autoencoder whose KL term acts, and says so in its history.

    Parameters
    ----------
    n_components
        Width of the code.
    hidden
        Widths of the hidden layers between input and code, from the input inwards; the decoder mirrors them. With none,
        encoder and decoder are one layer each, as in Tybalt.
    activation
        Activation of the hidden layers, by its Keras name.
    hidden_batchnorm
        Whether the encoder's hidden layers pass a batch normalisation before their activation, as in Tybalt.
    linear_path
        Whether mean and reconstruction also have a linear path beside the hidden layers, which starts at the principal
        components of the rows that are not held out, while what the hidden layers add starts at zero. With linear heads
        only.
    likelihood
        ``gaussian``: a learned variance per feature; ``bernoulli``: cross-entropy of data in [0, 1]; ``mse``: the sum
        of squared errors.
    heads
        ``linear``, or ``batchnorm-relu`` as in the published Tybalt, where mean and log-variance cannot be negative.
    beta
        Largest weight of the KL term; 1 gives the evidence lower bound.
    warmup
        How the weight rises from 0: a fraction of the training, in [0, 1), or a whole number of epochs. A warm-up that
        would not end inside the training is refused.
    free_bits
        Nats of KL divergence that each component may use without cost, so that none is given up early (Kingma et al.
        2016). The history then shows what is charged, ``kl_charged``, beside the divergence itself, ``kl``.
    optimizer, learning_rate, momentum, nesterov, schedule, schedule_warmup, clip_norm, batch_size, max_epochs
        As in `LinearAutoencoder`.
    validation_fraction, patience, shuffle, precision, members, random_state
        As in `LinearAutoencoder`.

    Attributes
    ----------
    categories_ : numpy.ndarray of str or None
        The categories of the covariate that the model is conditional on, where `fit` was given one.

    References
    ----------
    Kingma and Welling (2014). Auto-encoding variational Bayes. ICLR.
    Tipping and Bishop (1999). Probabilistic principal component analysis. J. R. Stat. Soc. B 61, 611-622.
    Burda, Grosse and Salakhutdinov (2016). Importance weighted autoencoders. ICLR.
    Kingma et al. (2016). Improved variational inference with inverse autoregressive flow. NIPS.
    Sohn, Lee and Yan (2015). Learning structured output representation using deep conditional generative models. NIPS.
    Way and Greene (2018). Extracting a biologically relevant latent space from cancer transcriptomes with variational
    autoencoders. Pacific Symposium on Biocomputing 23, 80-91.
    """

    family: ClassVar[str] = "vae"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAutoencoder._parameter_constraints,
        "hidden": ["array-like"],
        "activation": [str],
        "hidden_batchnorm": ["boolean"],
        "linear_path": ["boolean"],
        "likelihood": [StrOptions({"gaussian", "bernoulli", "mse"})],
        "heads": [StrOptions({"linear", "batchnorm-relu"})],
        "beta": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="left"), Interval(Integral, 0, None, closed="left")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=20,
        *,
        hidden=(128,),
        activation="gelu",
        hidden_batchnorm=False,
        linear_path=True,
        likelihood="gaussian",
        heads="linear",
        beta=1.0,
        warmup=0.1,
        free_bits=0.0,
        optimizer="adam",
        learning_rate=0.001,
        momentum=0.0,
        nesterov=False,
        schedule="cosine",
        schedule_warmup=0.0,
        clip_norm=None,
        batch_size=50,
        max_epochs=200,
        validation_fraction=0.1,
        patience=None,
        shuffle=True,
        precision="float32",
        members=1,
        random_state=None,
    ):
        self._store(locals())

    def _needs_zero_one(self) -> tuple[str, str] | None:
        return ("likelihood='bernoulli'", "likelihood='gaussian'") if self.likelihood == "bernoulli" else None

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> VariationalModel:
        return VariationalModel(
            n_features,
            int(self.n_components),
            hidden=check_widths(self.hidden),
            activation=self.activation,
            hidden_batchnorm=bool(self.hidden_batchnorm),
            linear_path=bool(self.linear_path),
            likelihood=self.likelihood,
            heads=self.heads,
            beta=self.beta,
            warmup_steps=self._warmup_steps(steps_per_epoch),
            free_bits=self.free_bits,
            n_covariates=0 if getattr(self, "categories_", None) is None else len(self.categories_),
            precision=self.precision,
            seed=seed,
        )

    def _warmup_steps(self, steps_per_epoch: int) -> int:
        if isinstance(self.warmup, Integral):
            return min(int(self.warmup) * steps_per_epoch, MOST_STEPS)
        # Rounded down, so that a fraction below 1 always ends inside the training.
        return math.floor(self.warmup * self.max_epochs * steps_per_epoch)

    def fit(self, X: Any, y: Any = None, *, covariate: Any = None, **how: Any) -> Self:
        """Train the model, conditional on a covariate where one is given.

        Parameters
        ----------
        X
            Data, samples x features, or a matrix on disk; see `LinearAutoencoder.fit`.
        y
            Ignored; there for pipelines.
        covariate
            A category for each sample that encoder and decoder are told, so that the code need not carry it: the batch,
            say. Compared as text. What is encoded and decoded later needs one too, of the same categories.
        **how
            As for every estimator.

        Raises
        ------
        TrainingError
            As for every estimator.
        InputError
            If the covariate has another length or a missing value.
        """
        return super().fit(X, y, covariate=covariate, **how)

    def _learn_covariate(self, covariate: Any, n_samples: int) -> np.ndarray | None:
        self.categories_ = None if covariate is None else np.unique(read_categories(covariate, n_samples))
        return None if covariate is None else one_hot(covariate, n_samples, self.categories_)

    def _join(self, X: np.ndarray, covariate: Any) -> np.ndarray:
        if getattr(self, "categories_", None) is None:
            return super()._join(X, covariate)
        X = X.toarray() if issparse(X) else X
        return np.concatenate([X, one_hot(covariate, len(X), self.categories_)], axis=1)

    def fit_transform(self, X: Any, y: Any = None, *, covariate: Any = None, **how: Any) -> np.ndarray:
        """Train the model and encode what it was trained on; see `fit` and `transform`."""
        return self.fit(X, y, covariate=covariate, **how).transform(X, covariate=covariate)

    def transform(self, X: Any, *, covariate: Any = None) -> np.ndarray:
        """Encode samples by the posterior mean; a sample's code does not depend on the others.

        Parameters
        ----------
        X
            Data, samples x features, or a matrix on disk.
        covariate
            The category of each sample, where the model is conditional on one.

        Returns
        -------
        float32, samples x components (times members).
        """
        return self._transform(X, covariate)

    def inverse_transform(self, Z: Any, *, covariate: Any = None) -> np.ndarray:
        """Decode codes; of an ensemble the mean of what the members make of their own codes.

        Parameters
        ----------
        Z
            Codes, samples x components (times members).
        covariate
            The category to decode each code as, where the model is conditional on one. Another one than the sample's
            own shows the sample as it would be there: in another batch, say.

        Returns
        -------
        float32, samples x features.
        """
        return self._inverse_transform(Z, covariate)

    def score(self, X: Any, y: Any = None, *, covariate: Any = None) -> float:
        """The evidence lower bound, in nats, as a mean over the samples; higher is better.

        Other estimators score by the share of variance explained; this one by what it maximises. It is comparable
        between models of the same data, scaled in the same way, under likelihoods of the same kind. ``mse`` counts as
        a normal of variance 1/2; cross-entropy with values between 0 and 1 is no density, and compares with itself
        alone.

        Parameters
        ----------
        X
            Data, samples x features.
        y
            Ignored.
        covariate
            The category of each sample, where the model is conditional on one.
        """
        del y
        return float(self._bounds(X, covariate, SCORE_DRAWS, 0)[:, 0].mean())

    def log_likelihood(
        self,
        X: Any,
        n_samples: int = 100,
        random_state: int | np.random.Generator | None = 0,
        *,
        covariate: Any = None,
    ) -> np.ndarray:
        """The log-likelihood of each sample, estimated by importance weighting (Burda et al. 2016).

        The estimate is at least the evidence lower bound and at most the log-likelihood, in expectation; it rises with
        the number of draws. See `score` for what may be compared.

        Parameters
        ----------
        X
            Data, samples x features.
        n_samples
            Draws of the posterior for each sample.
        random_state
            Their seed: the same number gives the same result, None another one at each call; or a generator to draw it
            from.
        covariate
            The category of each sample, where the model is conditional on one.

        Returns
        -------
        float64, one for each sample, in nats; of an ensemble the mean of its members'.
        """
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise InputError(
                "A likelihood needs at least one draw, and whole ones.",
                where=f"n_samples={n_samples}",
                expected="a whole number of 1 or more, such as 100",
                todo="correct the number of draws",
            )
        if not isinstance(random_state, Integral):
            random_state = np.random.default_rng(random_state).integers(2**31)
        return self._bounds(X, covariate, int(n_samples), int(random_state))[:, 1]

    def _bounds(self, X: Any, covariate: Any, draws: int, seed: int) -> np.ndarray:
        check_is_fitted(self)
        refuse_backed(X, "the likelihood")
        check_order(X, covariate)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        X = X.toarray() if issparse(X) else X
        self._check_data(X)
        x = self._join(X, covariate)
        return np.mean([bounds_in_blocks(model, x, draws, seed) for model in self.models_], axis=0, dtype=np.float64)

    def kl_per_unit(self, X: Any, *, covariate: Any = None) -> np.ndarray:
        """The KL divergence of each component's posterior from the prior, in nats, as a mean over samples.

        How much a component carries; near 0 where it carries nothing.

        Parameters
        ----------
        X
            Data, samples x features.
        covariate
            The category of each sample, where the model is conditional on one.

        Returns
        -------
        float64, one for each component (times members).
        """
        check_is_fitted(self)
        refuse_backed(X, "kl_per_unit")
        check_order(X, covariate)
        x = self._join(validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False), covariate)
        units = [apply_in_blocks(model, "kl_units", x) for model in self.models_]
        return np.concatenate(units, axis=1).mean(axis=0, dtype=np.float64)

    def active_units(self, X: Any, *, covariate: Any = None) -> np.ndarray:
        """Which components are in use: the variance of their posterior mean over the samples is above 0.01.

        Parameters
        ----------
        X
            Data, samples x features.
        covariate
            The category of each sample, where the model is conditional on one.

        Returns
        -------
        bool, one for each component (times members).

        References
        ----------
        Burda, Grosse and Salakhutdinov (2016). Importance weighted autoencoders. ICLR.
        """
        return self._transform(X, covariate).var(axis=0, dtype=np.float64) > ACTIVE

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.Generator | None = None, *, covariate: Any = None
    ) -> np.ndarray:
        """Draw codes from the prior and decode them.

        Parameters
        ----------
        n_samples
            Number of samples.
        random_state
            Seed of the draw, or a generator to draw with.
        covariate
            The category of each sample, where the model is conditional on one.

        Returns
        -------
        float32, samples x features: the mean of the likelihood for each drawn code. Of an ensemble each sample is drawn
        from one member, itself drawn: a mean of independent draws would vary too little.
        """
        check_is_fitted(self)
        rng, members = np.random.default_rng(random_state), len(self.models_)
        codes = rng.standard_normal((n_samples, self._n_features_out // members))
        if members == 1:
            return self._inverse_transform(codes, covariate)
        codes, drawn = self._join(codes.astype(np.float32), covariate), rng.integers(members, size=n_samples)
        decoded = np.empty((n_samples, self.n_features_in_), np.float32)
        for member, model in enumerate(self.models_):
            decoded[drawn == member] = apply_in_blocks(model, "decoder", codes[drawn == member])
        return decoded
