"""Pythae's VAE with Tybalt's encoder and decoder, in Pythae's own trainer and data loader.

Its KL term has its full weight from the first step, its reported loss counts the smaller last batch like the others.
"""

from __future__ import annotations

import logging
import tempfile

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

from engines import Clock, Job
from engines.pytorch import Heads, dense, prepare


class Encoder(BaseEncoder):
    """Tybalt's heads in Pythae's dress."""

    def __init__(self, kernel):
        super().__init__()
        self.heads = Heads(kernel)

    def forward(self, x):
        """Mean and log-variance."""
        mean, log_variance = self.heads(x)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """One dense layer and a sigmoid in Pythae's dress."""

    def __init__(self, kernel):
        super().__init__()
        self.output = dense(kernel)

    def forward(self, z):
        """The reconstruction."""
        return ModelOutput(reconstruction=torch.sigmoid(self.output(z)))


class Notes(TrainingCallback):
    """Notes the ends of epochs and the last loss."""

    def __init__(self, clock: Clock):
        self.clock, self.loss = clock, float("nan")

    def on_log(self, training_config, logs, **kwargs):
        """Called at the end of an epoch, after the best model was kept."""
        self.loss = logs["train_epoch_loss"]
        self.clock.mark(kwargs["global_step"])


def train(name: str, job: Job) -> dict[str, float]:
    """Train with Pythae's trainer."""
    del name
    prepare(job)
    logging.getLogger("pythae").setLevel(logging.WARNING)
    clock = Clock()
    notes = Notes(clock)
    config = VAEConfig(input_dim=(job.x.shape[1],), latent_dim=job.task.latent, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(job.kernels[0]), decoder=Decoder(job.kernels[1]))
    data = BaseDataset(torch.from_numpy(job.x), torch.from_numpy(np.zeros(len(job.x), np.float32)))
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=job.epochs,
            per_device_train_batch_size=job.task.batch,
            learning_rate=job.task.learning_rate,
            optimizer_cls="Adam",
            optimizer_params={"eps": 1e-7, "fused": True},
            no_cuda=True,
        )
        BaseTrainer(model, data, training_config=settings, callbacks=[notes]).train()
    return clock.result(notes.loss)
