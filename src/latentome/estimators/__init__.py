"""The scikit-learn face of every model family."""

from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.deep import DeepAutoencoder
from latentome.estimators.denoising import DenoisingAutoencoder
from latentome.estimators.linear import LinearAutoencoder
from latentome.estimators.nonlinear_pca import NonlinearPCA
from latentome.estimators.persistence import ESTIMATORS, load_model
from latentome.estimators.published import load_adage_network, load_tybalt_hdf5
from latentome.estimators.together import describe_program, fit_together
from latentome.estimators.variational import VariationalAutoencoder

#: The estimator of each family, by the family's name on the command line.
FAMILIES: dict[str, type[BaseAutoencoder]] = {kind.family: kind for kind in ESTIMATORS.values()}

__all__ = [
    "FAMILIES",
    "BaseAutoencoder",
    "DeepAutoencoder",
    "DenoisingAutoencoder",
    "LinearAutoencoder",
    "NonlinearPCA",
    "VariationalAutoencoder",
    "describe_program",
    "fit_together",
    "load_adage_network",
    "load_model",
    "load_tybalt_hdf5",
]
