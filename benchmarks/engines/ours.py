"""latentome, through its estimators; and the Keras models that it trains."""

from __future__ import annotations

import math
import time

import numpy as np
from tasks import DROPOUT, Task, activations

import latentome as lt
import latentome.estimators  # before the clock starts, like the imports of the other engines
import latentome.models
from engines import Clock, Job


def estimator(task: Task, epochs: int):
    """The estimator of `task`; seed 0 gives the starting weights that all engines get."""
    common = {"batch_size": task.batch, "max_epochs": epochs, "validation_fraction": 0.0, "random_state": 0}
    hidden, code, output = activations(task)
    if task.is_class:
        kind = lt.LinearAutoencoder if task.family == "linear" else lt.DeepAutoencoder
        return kind.from_preset("class3-model1" if task.family == "linear" else "class3-model2", **common)
    if task.family == "vae":
        return lt.VariationalAutoencoder.from_preset("tybalt-2018-as-described", **common)
    common |= {"optimizer": task.optimizer, "learning_rate": task.learning_rate, "output_activation": output}
    if task.family == "adage":
        return lt.DenoisingAutoencoder(
            task.latent, noise=DROPOUT, noise_kind="dropout", activation=code, tied=False, loss="mse", **common
        )
    return lt.DeepAutoencoder(task.latent, hidden=task.hidden, activation=hidden, code_activation=code, **common)


def keras_model(task: Task, shape: tuple[int, int]):
    """The Keras model that the estimator trains, with the same starting weights, not compiled."""
    from latentome.models import DeepModel, DenoisingModel, VariationalModel

    rows, width = shape
    hidden, code, output = activations(task)
    if task.family == "vae":
        steps = math.ceil(rows / task.batch)
        return VariationalModel(
            width, task.latent, likelihood="bernoulli", heads="batchnorm-relu", warmup_steps=steps, seed=0
        )
    if task.family == "adage":
        return DenoisingModel(
            width,
            task.latent,
            noise=DROPOUT,
            noise_kind="dropout",
            activation=code,
            tied=False,
            loss="mse",
            output_activation=output,
            seed=0,
        )
    return DeepModel(
        width,
        task.latent,
        hidden=task.hidden,
        activation=hidden,
        code_activation=code,
        output_activation=output,
        seed=0,
    )


def starting_kernels(task: Task, shape: tuple[int, int]) -> list[np.ndarray]:
    """The weights from which all engines start: the kernels of our model, inputs x outputs; biases start at 0."""
    kernels = [np.array(v) for v in keras_model(task, shape).trainable_variables if len(v.shape) == 2]
    if [k.shape for k in kernels] != task.layers(shape[1]):
        raise ValueError(f"our model has kernels of shapes {[k.shape for k in kernels]}")
    return kernels


def train(name: str, job: Job) -> dict[str, float]:
    """Fit the estimator; the time of an epoch comes from its progress."""
    del name
    clock = Clock()
    model = estimator(job.task, job.epochs).fit(job.x, progress=lambda done, total, row: clock.mark(done))
    whole = time.perf_counter() - clock.start
    loss = model.history_["loss"].iloc[-1]
    if len(model.history_) != job.epochs:
        raise ValueError(f"{len(model.history_)} epochs were trained instead of {job.epochs}")
    if len(clock.marks) < 2:  # all epochs in one go: a second training, for which all is compiled, is timed
        clock.marks = []
        clock.mark(0)
        model.fit(job.x)
        clock.mark(job.epochs)
    return clock.result(loss) | {"whole": whole}
