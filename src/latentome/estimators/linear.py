"""The linear autoencoder."""

from __future__ import annotations

from typing import ClassVar

from latentome.estimators.base import BaseAutoencoder
from latentome.models import DeepModel


class LinearAutoencoder(BaseAutoencoder):
    """A linear encoder and a linear decoder with biases: trained to the end, the subspace of PCA.

    Parameters
    ----------
    n_components
        Width of the code.
    optimizer
        ``sgd``, ``adam``, ``adamw``, ``adadelta``, ``rmsprop``, or a Keras optimizer (its own settings then count).
    learning_rate
        Step size of the optimizer.
    momentum, nesterov
        Momentum of ``sgd``, and whether it is Nesterov's.
    batch_size
        Samples of a step.
    max_epochs
        Number of passes over the data.
    validation_fraction
        Share of the rows that is held out, for the validation columns of the history only.
    shuffle
        Whether each epoch visits the samples in a new order.
    random_state
        Seed of the initial weights, the held-out rows and the order of the samples.

    See Also
    --------
    DeepAutoencoder : hidden layers and non-linear units.

    References
    ----------
    Baldi and Hornik (1989). Neural networks and principal component analysis. Neural Networks 2, 53-58.

    Examples
    --------
    >>> import latentome as lt
    >>> X = lt.datasets.load("blobs").X
    >>> lt.LinearAutoencoder(n_components=2, max_epochs=20, random_state=0).fit_transform(X).shape
    (1000, 2)
    """

    family: ClassVar[str] = "linear"

    def __init__(
        self,
        n_components=20,
        *,
        optimizer="adam",
        learning_rate=0.001,
        momentum=0.0,
        nesterov=False,
        batch_size=50,
        max_epochs=200,
        validation_fraction=0.1,
        shuffle=True,
        random_state=None,
    ):
        self.n_components = n_components
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.shuffle = shuffle
        self.random_state = random_state

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> DeepModel:
        return DeepModel(n_features, self.n_components, seed=seed)
