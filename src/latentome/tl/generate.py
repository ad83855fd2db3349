"""New samples from a model: a mixture fitted on its codes, decoded; and whether they pass for real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentome.errors import InputError
from latentome.io.tasks import dense

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture


def fit_mixture(codes: np.ndarray, most: int = 10, rng: int = 0) -> GaussianMixture:
    """Fit a Gaussian mixture on the codes of a model, with as many parts as the Bayesian information criterion wants.

    Parameters
    ----------
    codes
        Codes of the training samples, samples x components.
    most
        The largest number of parts that is tried; less where there are fewer than ten samples for each.
    rng
        Seed of the fit, and of ``sample``.

    Returns
    -------
    The mixture; ``sample(n)[0]`` are new codes, which the model's ``inverse_transform`` decodes.

    Raises
    ------
    InputError
        If there are fewer than 10 samples.

    References
    ----------
    Schwarz (1978). Estimating the dimension of a model. Ann. Stat. 6, 461-464.
    """
    from sklearn.mixture import GaussianMixture

    codes = np.asarray(codes, dtype=np.float64)
    if len(codes) < 10:
        raise InputError(
            "A mixture cannot be fitted on so few samples.",
            where=f"{len(codes)} samples",
            expected="10 samples or more",
            todo="bring more samples",
        )
    parts = range(1, max(1, min(most, len(codes) // 10)) + 1)
    # The scale of the codes is the model's own: what keeps a covariance from collapsing goes with it.
    ridge = 1e-6 * max(float(codes.var(axis=0).mean()), np.finfo(np.float32).tiny)
    fits = [GaussianMixture(i, reg_covar=ridge, max_iter=500, random_state=rng).fit(codes) for i in parts]
    return min(fits, key=lambda fit: fit.bic(codes))


def two_sample(real: np.ndarray, generated: np.ndarray, rng: int = 0) -> dict[str, float]:
    """Test whether generated samples can be told from real ones that the model has not seen.

    Parameters
    ----------
    real
        Held-out samples, samples x genes.
    generated
        Generated samples x the same genes.
    rng
        Seed of the folds.

    Returns
    -------
    ``AUROC`` of a logistic regression on the genes that tells the two apart, five-fold cross-validated: 0.5 where it
    cannot, 1 where it always can; ``AUROC of squares`` of one on their squared deviations, which sees differences of
    spread. The better of the two would lie above 0.5 by chance. ``mean`` and ``variance``: the correlation of the
    genes' means, and of the logarithms of their variances, over the genes that vary in both; ``variance ratio``: the
    median ratio, generated over real.

    Raises
    ------
    InputError
        If there are fewer than 5 of either.

    References
    ----------
    Lopez-Paz and Oquab (2017). Revisiting classifier two-sample tests. ICLR.
    """
    from latentome.tl import ranks as r
    from latentome.tl.probe import FOLDS, probe_classes

    real, generated = dense(real), dense(generated)
    if min(len(real), len(generated)) < FOLDS:
        raise InputError(
            "Too few samples to tell generated ones from real ones.",
            where=f"{len(real)} real and {len(generated)} generated samples",
            expected=f"{FOLDS} or more of each",
            todo="generate more, or hold out more",
        )
    x = np.concatenate([real, generated]).astype(np.float64)
    made = np.repeat([0, 1], [len(real), len(generated)])
    auroc = {}
    for name, seen in (("AUROC", x), ("AUROC of squares", np.square(x - x.mean(axis=0)))):
        probability = probe_classes(seen, made, rng)[:, [1]]
        auroc[name] = r.compare_groups(r.rank(probability), made[:, None] == 1)[0].item()
    means, variances = (
        [statistic(a, axis=0, dtype=np.float64) for a in (real, generated)] for statistic in (np.mean, np.var)
    )
    vary = (variances[0] > 0) & (variances[1] > 0)
    logs = [np.log(v[vary]) for v in variances]
    return {
        **auroc,
        "mean": float(np.corrcoef(*(mean[vary] for mean in means))[0, 1]) if vary.sum() > 1 else float("nan"),
        "variance": float(np.corrcoef(*logs)[0, 1]) if vary.sum() > 1 else float("nan"),
        "variance ratio": float(np.median(np.exp(logs[1] - logs[0]))) if vary.any() else float("nan"),
    }
