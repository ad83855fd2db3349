"""What a training is asked for and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from latentome.errors import TrainingError


def n_held_out(n: int, share: float) -> int:
    """How many of n rows (or chunks) a share is: where one is asked for at least one, and never all.

    Parameters
    ----------
    n
        How many rows there are.
    share
        In [0, 1).
    """
    return min(max(round(n * share), 1), n - 1) if share else 0


@dataclass(frozen=True)
class Options:
    """How to train, beside the model and its optimizer.

    Parameters
    ----------
    epochs
        Number of passes over the data.
    batch_size
        Samples of a step; at most the number of samples is used. The last batch of an epoch may be smaller.
    shuffle
        Whether each epoch visits the samples in a new order.
    patience
        Epochs without a lower validation loss than that of any trained epoch before, after which the training ends,
        with the best epoch kept; never where it is None.
    keep_best
        Whether the model is left as it was after the epoch with the best validation loss. Epoch 0, before training, is
        a candidate unless the KL term warms up.
    tolerate
        Whether a model that diverges is told in its `Training` while the others go on, instead of stopping them all.
    """

    epochs: int
    batch_size: int
    shuffle: bool = True
    patience: int | None = None
    keep_best: bool = False
    tolerate: bool = False


@dataclass(frozen=True)
class Training:
    """What became of a training.

    Parameters
    ----------
    history
        One row an epoch: ``epoch`` (from 1), the loss and its terms as means over the samples of the epoch, the
        learning rate, and each term with ``val_`` for the held-out rows.
    best_epoch
        The epoch whose weights the model has, where the best one was kept.
    stopped_early
        Whether it ended because the validation loss no longer improved, or a callback asked for it.
    error
        Why it diverged, where that is tolerated.
    """

    history: pd.DataFrame
    best_epoch: int | None = None
    stopped_early: bool = False
    error: TrainingError | None = None


@dataclass(frozen=True)
class Split:
    """What a model is trained on.

    Parameters
    ----------
    rows, held_out
        The rows of the data that it is trained on and validated on.
    seed
        Seed of their order.
    epochs
        After how many epochs this model ends, at most those of the `Options`; None for all of these.
    """

    rows: np.ndarray
    held_out: np.ndarray
    seed: int
    epochs: int | None = None
