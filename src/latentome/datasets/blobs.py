"""The data of the class example: Gaussian blobs in the plane, seen through nine monomials."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

CENTRES_X = np.array([0.35, 0.25, 0.75, 0.65])
CENTRES_Y = np.array([0.25, 0.50, 0.50, 0.75])
NOISE = 0.07
FEATURES = ("x", "y", "xx", "xy", "yy", "xxx", "xxy", "xyy", "yyy")


def blobs(n_samples: int = 1000, seed: int = 1, independent: bool = False) -> AnnData:
    """Make the data of the class example, number for number.

    Parameters
    ----------
    n_samples
        Number of points.
    seed
        Seed of the legacy generator ``np.random.RandomState``, which the class uses (1 for training, 2 for the test).
        The global state is neither read nor set.
    independent
        The class draws two columns of random integers and then indexes both coordinates by the first, so that its cloud
        has 4 blobs and x and y are correlated (0.44), though it is meant to show independent variables. False does as
        the class does. True takes the second column for y: 12 blobs on a 4 x 3 grid (the centre y = 0.5 occurs twice).

    Returns
    -------
    Points x 9 features x, y, xx, xy, yy, xxx, xxy, xyy, yyy, all of them in [0, 1] for the seeds of the class. Float64,
    not float32 as everywhere else, so that the numbers of the class can be compared to 1e-12. ``obs["blob"]`` is the
    blob, ``"1"`` to ``"4"``, or ``"i-j"`` for the i-th centre of x and the j-th of y.

    Raises
    ------
    InputError
        If there are fewer than 2 points.
    """
    import pandas as pd
    from anndata import AnnData

    values, labels = draw_blobs(n_samples, seed, independent)
    adata = AnnData(
        values,
        obs=pd.DataFrame({"blob": pd.Categorical(labels)}, index=[f"point-{i + 1:04d}" for i in range(n_samples)]),
        var=pd.DataFrame(index=list(FEATURES)),
    )
    name = "blobs-independent" if independent else {1: "blobs", 2: "blobs-test"}.get(seed, f"blobs of seed {seed}")
    adata.uns["source"] = {
        "name": name,
        "path": "",
        "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        "orientation": "samples-by-genes",
        "label_column": "blob",
        "scale": "none",
        "notes": [f"Computed: {n_samples} points, seed {seed}; the hash is that of the values."],
    }
    return adata


def draw_blobs(n_samples: int = 1000, seed: int = 1, independent: bool = False) -> tuple[np.ndarray, list[str]]:
    """The values of `blobs`, points x 9, and the blob of each point: without AnnData, which loads for half a second."""
    if n_samples < 2:
        raise InputError(
            f"Too few points: {n_samples}", where="n_samples", expected="2 or more", todo="Give a larger n_samples."
        )
    generator = np.random.RandomState(seed)
    # The order of the draws decides the numbers.
    chosen = generator.randint(0, 4, size=(n_samples, 2))
    noise = generator.normal(0.0, NOISE, size=(n_samples, 2))
    of_x, of_y = chosen[:, 0], chosen[:, 1 if independent else 0]
    x, y = CENTRES_X[of_x] + noise[:, 0], CENTRES_Y[of_y] + noise[:, 1]
    values = np.column_stack([x, y, x**2, x * y, y**2, x**3, x**2 * y, x * y**2, y**3])
    if independent:
        rank_y = np.unique(CENTRES_Y, return_inverse=True)[1]
        labels = [f"{i + 1}-{rank_y[j] + 1}" for i, j in zip(of_x, of_y, strict=True)]
    else:
        labels = [str(i + 1) for i in of_x]
    return values, labels
