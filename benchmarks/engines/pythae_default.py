"""Pythae's VAE as its documentation starts one: its own layers, loss, trainer and defaults, with fit and transform."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import numpy as np


class PythaeVAE:
    """A VAE of Pythae with everything at its defaults, but for the size of the code.

    Parameters
    ----------
    n_components
        Size of the code.
    max_epochs
        Epochs; Pythae's default is 100.
    random_state
        Seed of PyTorch.
    """

    def __init__(self, n_components: int, max_epochs: int = 100, random_state: int = 0) -> None:
        self.n_components, self.max_epochs, self.random_state = n_components, max_epochs, random_state

    def fit(self, x: np.ndarray, y: Any = None) -> PythaeVAE:
        """Train on samples x genes."""
        import torch
        from pythae.models import VAE, VAEConfig
        from pythae.pipelines import TrainingPipeline
        from pythae.trainers import BaseTrainerConfig

        logging.disable(logging.INFO)
        torch.manual_seed(self.random_state)
        with tempfile.TemporaryDirectory() as folder:
            model = VAE(VAEConfig(input_dim=(x.shape[1],), latent_dim=self.n_components))
            settings = BaseTrainerConfig(
                output_dir=folder, num_epochs=self.max_epochs, seed=self.random_state, no_cuda=True
            )
            pipeline = TrainingPipeline(training_config=settings, model=model)
            pipeline(train_data=np.asarray(x, np.float32))
            self.model_ = pipeline.model.eval()
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """The posterior mean, samples x components."""
        import torch

        with torch.no_grad():
            return self.model_.encoder(torch.from_numpy(np.asarray(x, np.float32))).embedding.numpy()

    def inverse_transform(self, z: np.ndarray) -> np.ndarray:
        """The decoder's mean, samples x genes."""
        import torch

        with torch.no_grad():
            return self.model_.decoder(torch.from_numpy(np.asarray(z, np.float32))).reconstruction.numpy()
