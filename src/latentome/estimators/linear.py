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
        ``sgd``, ``adam``, ``adamw``, ``adadelta``, ``rmsprop``, or a Keras optimizer that its configuration describes
        whole (its own settings then count).
    learning_rate
        Step size of the optimizer.
    momentum, nesterov
        Momentum of ``sgd``, and whether it is Nesterov's.
    schedule
        ``constant``, or ``cosine``: the learning rate falls to zero along half a cosine.
    schedule_warmup
        Share of the training over which the learning rate rises to its value, in [0, 1).
    clip_norm
        The largest norm of the whole gradient; not clipped where it is None.
    batch_size
        Samples of a step; all of them where there are fewer.
    max_epochs
        Number of passes over the data.
    validation_fraction
        Share of the rows that is held out, for the validation columns of the history and for `patience`.
    patience
        Epochs without a better validation loss after which the training ends; the model is then left as it was after
        the best epoch. None: it trains to the end, and keeps the last epoch.
    shuffle
        Whether each epoch visits the samples in a new order.
    precision
        ``float32``, or ``bfloat16``: products in bfloat16, weights, losses and results in float32.
    members
        Number of models that are trained together, with the seeds that follow `random_state`. The codes of such an
        ensemble stand side by side; its reconstruction is the mean of its members'.
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
        schedule="constant",
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

    def _make_model(self, n_features: int, seed: int, steps_per_epoch: int) -> DeepModel:
        return DeepModel(n_features, int(self.n_components), precision=self.precision, seed=seed)
