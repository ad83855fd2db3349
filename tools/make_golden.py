"""Write the golden files of the current version: trained models, their input and their codes, for law 8.

    python tools/make_golden.py tests/golden/v2 [NAME ...]

Run once for each schema of saved models, for the families that it began with and again for a later one (into a folder
beside it, such as v2-nonlinear-pca), and never again: later versions have to load what earlier ones wrote.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import latentome as lt


def main(folder: Path, names: list[str]) -> None:
    """Train one small model of each family, or of those that are named, and keep it with what it encodes to."""
    x = lt.datasets.load("blobs").X[:64].astype("float32")
    shared = {"n_components": 2, "max_epochs": 3, "random_state": 0}
    models = {
        "linear": lt.LinearAutoencoder(**shared),
        "deep": lt.DeepAutoencoder(**shared, hidden=(5,)),
        "denoising": lt.DenoisingAutoencoder(**shared, sparsity=0.01),
        "nonlinear-pca": lt.NonlinearPCA(**shared, hidden=(5,)),
        "variational": lt.VariationalAutoencoder(**shared, hidden=(5,)),
        "variational-batchnorm": lt.VariationalAutoencoder(
            **shared, hidden=(), heads="batchnorm-relu", likelihood="bernoulli"
        ),
        "ensemble": lt.DeepAutoencoder(**shared, hidden=(5,), activation="sigmoid", members=2),
    }
    folder.mkdir(parents=True)
    codes = {}
    raw = lt.datasets.load("blobs")[:64]
    preprocessing = lt.pp.fit_preprocessing(raw, scaling="none")
    for name in names or models:
        model = models[name]
        codes[name] = model.fit_transform(pd.DataFrame(x, columns=preprocessing.genes))
        model.save(folder / name, preprocessing)
    np.savez_compressed(folder / "expected.npz", x=x, **codes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
