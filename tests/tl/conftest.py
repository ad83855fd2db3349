from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentome import pp
from latentome.datasets import load


@pytest.fixture(scope="session")
def tcga():
    """The bundled data and which rows to train on."""
    adata = load("tcga-33")
    labels = adata.obs["cancer_type"].astype(str).to_numpy()
    return adata, ~pp.split_rows(adata.n_obs, 0.2, labels, 0)


@pytest.fixture(scope="session")
def small():
    """Every seventh sample: 158 in all, of 33 classes."""
    return load("tcga-33")[::7].copy()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Public data beside the repository, on machines that have them."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data are not here")
    return folder


def mse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(np.asarray(a, np.float64) - np.asarray(b, np.float64)).mean())
