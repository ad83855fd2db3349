"""From the scale that values come in to the log scale that models are trained on."""

from __future__ import annotations

import numpy as np

from latentome.errors import InputError, nearest

TRANSFORMS = ("auto", "none", "log2p1")

#: A log2 of an abundance stays below this: 2^30 is more reads than any library has. What is above is linear.
LOG_MAXIMUM = 30.0


def choose_transform(values: np.ndarray, transform: str) -> tuple[str, str]:
    """Decide which transform to apply.

    Parameters
    ----------
    values
        Samples x genes.
    transform
        ``none``, ``log2p1``, or ``auto``: log2(x + 1) where the values reach beyond any log2 abundance.

    Returns
    -------
    The transform and a sentence with the evidence.

    Raises
    ------
    InputError
        On an unknown transform, or if a logarithm is asked for and values are at or below -1.
    """
    if transform not in TRANSFORMS:
        raise InputError(
            f"There is no transform '{transform}'.",
            where="the option transform",
            expected=nearest(transform, TRANSFORMS),
            todo="choose one of these",
        )
    low, high = float(values.min()), float(values.max())
    seen = f"the values range over [{low:.4g}, {high:.4g}]"
    if transform == "auto":
        if high <= LOG_MAXIMUM:
            return "none", f"No transform: {seen}, which a log scale, a z-score or a share can have."
        transform = "log2p1"
        said = f"log2(x + 1): {seen}, which is a linear scale (counts, TPM, FPKM or RSEM)."
    else:
        said = f"{'log2(x + 1)' if transform == 'log2p1' else 'No transform'}, as asked for; {seen}."
    if transform == "log2p1" and low <= -1.0:
        row, column = np.argwhere(values <= -1.0)[0]
        raise InputError(
            "The logarithm of these values does not exist.",
            where=f"{seen}; first at row {row}, column {column} (counted from 0)",
            expected="values above -1 for log2(x + 1)",
            todo="use the transform 'none' if the values are on a log scale or are z-scores already",
        )
    return transform, said


def apply_transform(values: np.ndarray, transform: str) -> np.ndarray:
    """Transform values (samples x genes) to float32.

    ``log2p1`` counts negative values as 0: batch adjustment makes small negative abundances, which mean "nothing
    measured".
    """
    if transform == "none":
        return np.asarray(values, dtype=np.float32)
    result = np.maximum(values, 0.0, dtype=np.float32)
    np.log1p(result, out=result)
    result *= np.float32(1.0 / np.log(2.0))
    return result
