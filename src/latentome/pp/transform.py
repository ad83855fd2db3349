"""From the scale that values come in to the log scale that models are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from latentome.errors import InputError, check_known

TRANSFORMS = ("auto", "none", "log2p1", "log2cpm")

#: A log2 of an abundance stays below this: 2^30 is more reads than any library has. What is above is linear.
LOG_MAXIMUM = 30.0
#: Sums of fewer genes say little about the depth of a library.
LIBRARY_GENES = 1000
#: So many values tell what all of them are; rows are taken evenly from the whole matrix.
_LOOKED_AT = 4_000_000


class Scale(NamedTuple):
    """What values are: `kind` is one word, `evidence` says what was seen, `transform` is what fits them."""

    kind: str
    evidence: str
    transform: str


class Seen(NamedTuple):
    """What tells the scale of values, of a matrix however large: their range, and rows taken evenly, see `every`.

    `below` are row and column of the first value that has no logarithm, if there is one. Missing values are NaN.
    """

    low: float
    high: float
    some: np.ndarray
    below: tuple[int, int] | None


def every(n_values: int) -> int:
    """Of a matrix of so many values each row whose number is a multiple of this is looked at."""
    return max(1, n_values // _LOOKED_AT)


def first_below(values: np.ndarray) -> tuple[int, int] | None:
    """Row and column of the first value (samples x genes) at or below -1; None if there is none."""
    wrong = values <= -1.0
    if not wrong.any():
        return None
    row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return int(row), int(column)


def look_at(values: np.ndarray) -> Seen:
    """See what tells the scale of values (samples x genes) that are in memory; NaN counts as missing."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return Seen(low, high, values[:: every(values.size)], first_below(values) if low <= -1.0 else None)


def recognise_scale(values: np.ndarray | Seen) -> Scale:
    """Tell from the values what was measured, or what was done to it.

    Parameters
    ----------
    values
        Samples x genes; NaN counts as missing. Of a large matrix some rows are looked at, beside its whole range. Or
        what was seen of them.

    Returns
    -------
    One of ``counts`` (whole numbers), ``TPM`` (linear, each sample sums to a million), ``linear`` (FPKM, RSEM or
    alike), ``log2``, ``z-scores``, ``zero-one``, ``binary``, ``unknown``.
    """
    low, high, first, _ = values if isinstance(values, Seen) else look_at(np.asarray(values))
    some = first[np.isfinite(first).all(axis=1)] if not np.isfinite(first).all() else first
    some = np.asarray(some if len(some) else np.nan_to_num(first[:1]), dtype=np.float64)
    seen = f"the values range over [{low:.4g}, {high:.4g}]"
    whole = bool((some == np.rint(some)).all())
    means, spreads = some.mean(axis=0), some.std(axis=0)
    varied = spreads[spreads > 0]
    if low < 0.0 and len(some) >= 10 and varied.size:  # whatever the largest: rare genes have outliers
        centre, spread = float(np.median(np.abs(means))), float(np.median(varied))
        nearly_all = np.quantile(np.abs(means), 0.95) < 0.5 and np.quantile(varied, 0.95) < 2.0
        if centre < 0.15 and 0.7 < spread < 1.4 and nearly_all:
            return Scale(
                "z-scores", f"{seen}, genes have mean {centre:.2g} and standard deviation {spread:.2g}", "none"
            )
    if high > LOG_MAXIMUM:
        return _linear(some, seen, whole)
    if whole and low >= 0.0 and high <= 1.0:
        return Scale("binary", f"{seen}, zeros and ones only: mutations or calls, not expression", "none")
    if low >= 0.0 and high <= 1.0:
        return Scale("zero-one", f"{seen}: scaled already, or shares", "none")
    if low < -LOG_MAXIMUM:
        return Scale("unknown", f"{seen}, which no scale of expression has", "none")
    if whole and low >= 0.0 and (some == 0.0).mean() > 0.3:
        return Scale("counts", f"{seen}, whole numbers and many zeros: counts of few reads", "log2p1")
    return Scale("log2", f"{seen}, as on a log scale", "none")


def _linear(some: np.ndarray, seen: str, whole: bool) -> Scale:
    totals = some.sum(axis=1)
    n_genes = some.shape[1]
    if whole and some.min() >= 0:
        many = f"; samples sum to {totals.min():.3g} to {totals.max():.3g}"
        if n_genes < LIBRARY_GENES:
            few = f"{n_genes} genes are too few to tell the depth of a library"
            return Scale("counts", f"{seen}, whole numbers: counts of reads{many}, but {few}", "log2p1")
        return Scale("counts", f"{seen}, whole numbers: counts of reads{many}", "log2cpm")
    if n_genes >= LIBRARY_GENES and np.all(np.abs(totals / 1e6 - 1.0) < 0.02):
        return Scale("TPM", f"{seen}, which is a linear scale, and each sample sums to a million: TPM", "log2p1")
    return Scale("linear", f"{seen}, which is a linear scale (counts, TPM, FPKM or RSEM)", "log2p1")


def choose_transform(
    values: np.ndarray | Seen, transform: str, names: tuple[Sequence[str], Sequence[str]] | None = None
) -> tuple[str, str]:
    """Decide which transform to apply.

    Parameters
    ----------
    values
        Samples x genes, or what was seen of them.
    transform
        ``none``; ``log2p1``: log2(x + 1); ``log2cpm``: log2(1 + counts in a million), of counts; or ``auto``: what
        fits the values, see :func:`recognise_scale`.
    names
        Of the samples and of the genes, for the message.

    Returns
    -------
    The transform and a sentence with the evidence.

    Raises
    ------
    InputError
        On an unknown transform, or if a logarithm is asked for and values are at or below -1.
    """
    check_known(transform, TRANSFORMS, f"There is no transform '{transform}'.", where="the option transform")
    seen, automatic = values if isinstance(values, Seen) else look_at(values), transform == "auto"
    scale = recognise_scale(seen)
    words = {"none": "No transform", "log2p1": "log2(x + 1)", "log2cpm": "log2(1 + counts per million)"}
    if automatic:
        transform = scale.transform
        said = f"{words[transform]}: {scale.evidence}."
    else:
        said = f"{words[transform]}, as asked for; {scale.evidence}."
        if transform != scale.transform and scale.kind != "unknown":
            said += f" What would fit such values ({scale.kind}): {words[scale.transform].lower()}."
    if transform != "none" and seen.below is not None:
        row, column = seen.below
        place = "" if names is None else f": sample '{names[0][row]}', gene '{names[1][column]}'"
        raise InputError(
            "The logarithm of these values does not exist.",
            where=f"{'auto chose it; ' if automatic else ''}values in [{seen.low:.4g}, {seen.high:.4g}]; "
            f"first at row {row}, column {column} (counted from 0){place}",
            expected="values above -1 for log2(x + 1)",
            todo="use the transform 'none' (--transform none) if the values are on a log scale or are z-scores already",
        )
    return transform, said


def apply_transform(values: np.ndarray, transform: str, totals: np.ndarray | None = None) -> np.ndarray:
    """Transform values (samples x genes) to float32.

    ``log2p1`` counts negative values as 0: batch adjustment makes small negative abundances, which mean "nothing
    measured". NaN stays NaN.

    Parameters
    ----------
    values
        Samples x genes.
    transform
        ``none``, ``log2p1`` or ``log2cpm``.
    totals
        For ``log2cpm``: the sum of all genes of each sample, where `values` are some of them.
    """
    if transform == "none":
        return np.asarray(values, dtype=np.float32)
    result = np.maximum(values, 0.0, dtype=np.float32)
    if transform == "log2cpm":
        depth = library_sizes(values) if totals is None else totals
        result *= (1e6 / np.maximum(depth, 1.0)).astype(np.float32)[:, None]
    np.log1p(result, out=result)
    result *= np.float32(1.0 / np.log(2.0))
    return result


def library_sizes(values: np.ndarray) -> np.ndarray:
    """The sum of each sample (samples x genes) without negative and missing values, in float64."""
    return np.array([np.nansum(np.maximum(row, 0.0), dtype=np.float64) for row in values])


def depth_shares(values: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """The share of its sum that some genes (positions) have in each sample, as `library_sizes` counts; NaN of none."""
    own, whole = library_sizes(values[:, genes]), library_sizes(values)
    return np.divide(own, whole, out=np.full(len(values), np.nan), where=(whole > 0) & (whole < np.inf))
