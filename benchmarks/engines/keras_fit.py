"""``model.fit`` of Keras: of the model that latentome trains, and of the network as a user of Keras would write it."""

from __future__ import annotations

import math

import keras

from engines import Clock, Job

ops, layers = keras.ops, keras.layers


class Tybalt(keras.Model):
    """Tybalt's VAE as its paper describes it: batch-normalised ReLU heads, cross-entropy, KL warmed up in an epoch."""

    def __init__(self, n_genes: int, latent: int, warmup_steps: int):
        super().__init__()
        self.mean, self.log_variance = layers.Dense(latent), layers.Dense(latent)
        self.mean_norm, self.log_variance_norm = layers.BatchNormalization(), layers.BatchNormalization()
        self.output_layer = layers.Dense(n_genes)
        self.seed_generator = keras.random.SeedGenerator(0)
        self.step = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)
        self.warmup_steps = warmup_steps

    def call(self, x, training=False):
        """Reconstruct `x` as logits, and add the loss."""
        mean = ops.relu(self.mean_norm(self.mean(x), training=training))
        log_variance = ops.relu(self.log_variance_norm(self.log_variance(x), training=training))
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator) if training else 0.0
        logits = self.output_layer(mean + ops.exp(0.5 * log_variance) * noise)
        cross_entropy = ops.maximum(logits, 0.0) - logits * x + ops.log(1.0 + ops.exp(-ops.abs(logits)))
        kl = -0.5 * ops.sum(1.0 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        weight = ops.minimum(ops.cast(self.step, "float32") / self.warmup_steps, 1.0)
        if training:
            self.step.assign_add(1)
        self.add_loss(ops.mean(ops.sum(cross_entropy, axis=-1)))
        self.add_loss(weight * ops.mean(kl))
        return logits


def optimizer(job: Job):
    """The optimizer of the task."""
    kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adadelta": keras.optimizers.Adadelta}
    return kinds[job.task.optimizer](learning_rate=job.task.learning_rate)


def plain(job: Job):
    """The network of the task in plain Keras, with the common starting weights, compiled."""
    from tasks import DROPOUT, activations

    rows, width = job.x.shape
    if job.task.family == "vae":
        model = Tybalt(width, job.task.latent, math.ceil(rows / job.task.batch))
        model(job.x[:1])
        heads, output = job.kernels
        for layer, kernel in (
            (model.mean, heads[:, : job.task.latent]),
            (model.log_variance, heads[:, job.task.latent :]),
            (model.output_layer, output),
        ):
            layer.kernel.assign(kernel)
        model.compile(optimizer=optimizer(job))
        return model
    hidden, code, output = activations(job.task)
    inner = [hidden] * len(job.task.hidden)
    dense = [
        layers.Dense(outputs, activation=activation)
        for (_, outputs), activation in zip(job.task.layers(width), [*inner, code, *inner, output], strict=True)
    ]
    noise = [layers.Dropout(DROPOUT, seed=0)] if job.task.family == "adage" else []
    model = keras.Sequential([keras.Input((width,)), *noise, *dense])
    for layer, kernel in zip(dense, job.kernels, strict=True):
        layer.kernel.assign(kernel)
    model.compile(loss="mse", optimizer=optimizer(job))
    return model


def train(name: str, job: Job) -> dict[str, float]:
    """Train with one call of ``model.fit``; a callback notes the ends of epochs."""
    if name == "ours-keras-jax":
        from engines.ours import keras_model
    clock = Clock()
    if name == "ours-keras-jax":
        model, target = keras_model(job.task, job.x.shape), None
        model.compile(optimizer=optimizer(job))
    else:
        model, target = plain(job), None if job.task.family == "vae" else job.x
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: clock.mark(epoch + 1))
    history = model.fit(
        job.x, target, batch_size=job.task.batch, epochs=job.epochs, verbose=0, callbacks=[note]
    ).history
    return clock.result(history["loss"][-1])
