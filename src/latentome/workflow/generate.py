"""Samples that do not exist, from the model of a run, and whether they pass for real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from latentome import io
from latentome.errors import InputError, RunFolderError, nearest
from latentome.io import RunFolder
from latentome.workflow.prepare import Prepared
from latentome.workflow.reporter import Reporter
from latentome.workflow.steps import load_trained, read_encoded

#: Where codes are drawn from: a mixture of normal distributions fitted on those of the training samples; the prior.
SOURCES = ("mixture", "prior")


def generate_samples(
    run: RunFolder,
    prepared: Prepared,
    out: Path,
    reporter: Reporter,
    *,
    n: int = 100,
    source: str = "mixture",
    seed: int = 0,
    replace: bool = False,
) -> dict[str, Any]:
    """Generate samples and compare them with the held-out ones of the run.

    Parameters
    ----------
    run, prepared
        The folder, after ``predict``, and its data.
    out
        The file: samples x genes, on the scale of the data after its transform (log2, say).
    reporter
        Takes note of the steps.
    n
        How many, 5 or more.
    source
        ``mixture``, of any model; or ``prior``, the standard normal distribution that a VAE is trained against.
    seed
        Of the codes.
    replace
        Whether a file that is there is replaced.

    Returns
    -------
    What `latentome.tl.two_sample` says of them. It is written beside the file, with ``.json`` after its name.

    Raises
    ------
    LatentomeError
        If there are too few samples, or the file is there, or the model has no prior, or is an ensemble.
    """
    import pandas as pd

    from latentome import tl
    from latentome.tl.probe import FOLDS

    if source not in SOURCES or n < FOLDS:
        raise InputError(
            f"There is no source '{source}'." if source not in SOURCES else f"{n} samples are too few to judge.",
            where=f"--from {source} -n {n}",
            expected=nearest(source, SOURCES) if source not in SOURCES else f"{FOLDS} samples or more",
            todo="correct the option",
        )
    if (out.exists() and not out.is_file()) or not out.parent.is_dir():
        raise RunFolderError(
            "The samples are written into a file." if out.is_dir() else "There is no such folder to write into.",
            where=str(out),
            expected="the path of a file in a folder that is there",
            todo="give another path with -o, such as generated.tsv",
        )
    if out.exists() and not replace:
        raise RunFolderError(
            "The file for the samples is there already.",
            where=str(out),
            expected="a path at which nothing exists",
            todo="give another path with -o, or add --replace",
        )
    model, family = load_trained(run)
    if model.members > 1 or (source == "prior" and not hasattr(model, "sample")):
        raise InputError(
            "An ensemble has no codes of its own to draw." if model.members > 1 else "This model has no prior.",
            where=f"{run.path}: {family}, {model.members} member(s)",
            expected="the run of one model; for --from prior of a VAE",
            todo="use the run of one member" if model.members > 1 else "leave --from out",
        )
    with reporter.step("generate"):
        if source == "prior":
            decoded = model.sample(n, random_state=seed)
        else:
            codes = read_encoded(run).obsm[f"X_{family}"][prepared.training]
            decoded = model.inverse_transform(tl.fit_mixture(codes, rng=seed).sample(n)[0])
    with reporter.step("compare with held-out samples"):
        judged = {"source": source, "seed": seed, "samples": n}
        judged |= tl.two_sample(prepared.adata.X[~prepared.training], decoded, seed)
    kept = prepared.preprocessing
    values = np.asarray(decoded, np.float64) * kept.span + kept.minimum
    names = pd.Index([f"generated-{i + 1:0{len(str(n))}d}" for i in range(n)], name="sample")
    io.write_table(out, pd.DataFrame(values.astype(np.float32), index=names, columns=kept.genes))
    io.write_json(out.with_name(out.name + ".json"), judged)
    return judged
