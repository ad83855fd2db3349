"""Why a loss stopped being finite, as far as the numbers tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentome.errors import TrainingError

#: Data beyond this are no usual expression values on any scale that models are trained on.
LARGE = 1e3


def diverged(
    rows: np.ndarray, columns: list[str], step: int, data: np.ndarray, learning_rate: float, kept: str, member: str = ""
) -> TrainingError:
    """The error of a training whose loss or weights stopped being finite.

    `rows` is the history so far, epochs x columns; its last row is the epoch in which it happened, at `step`, from 0.
    `kept` says where the last good state is, `member` which of several models it was, as the start of a sentence.
    """
    epoch = len(rows)
    losses = rows[:-1, columns.index("loss")]
    before = f"; the loss before it was {losses[-1]:.6g}" if len(losses) else ""
    return TrainingError(
        f"{member}The loss stopped being finite." if not member else f"{member}: the loss stopped being finite.",
        where=f"epoch {epoch}, step {step + 1}{before}; {_cause(rows, columns, data, learning_rate)}",
        expected="a finite loss and finite gradients in every step",
        todo=f"lower the learning rate, clip the gradient (clip_norm=1), or scale the data. {kept}",
    )


def _cause(rows: np.ndarray, columns: list[str], data: np.ndarray, learning_rate: float) -> str:
    largest = float(np.abs(data[: min(len(data), 4096)]).max())
    if largest > LARGE:
        return f"the likely cause: the data are not scaled (values up to {largest:.4g})"
    last: Mapping[str, float] = dict(zip(columns, rows[-1], strict=True))
    if "kl" in last and not np.isfinite(last["kl"]) and np.isfinite(last["reconstruction"]):
        return "the likely cause: the log-variance of the posterior grew until its exponential overflowed"
    return f"the likely cause: the learning rate ({learning_rate:.4g}) is too large for these data"
