"""What a model is: Keras layers, losses, one file per family, presets. No training loop, no files."""

from latentome.models.base import Autoencoder
from latentome.models.deep import DeepModel
from latentome.models.denoising import DenoisingModel
from latentome.models.exact import compiled, in_float32
from latentome.models.layers import InputNoise, TiedDecoder
from latentome.models.nonlinear_pca import NonlinearPCAModel
from latentome.models.variational import VariationalModel

__all__ = [
    "Autoencoder",
    "DeepModel",
    "DenoisingModel",
    "InputNoise",
    "NonlinearPCAModel",
    "TiedDecoder",
    "VariationalModel",
    "compiled",
    "in_float32",
]
