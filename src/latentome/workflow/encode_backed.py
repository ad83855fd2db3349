"""Samples encoded block by block: those of a run that was trained from disk, and new ones on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentome import io
from latentome.io.contents import PREDICTED
from latentome.pp import Preprocessing
from latentome.pp.align import are_whole, check_depth
from latentome.pp.align import check_range as check_scale_range
from latentome.pp.on_disk import without_values
from latentome.pp.transform import depth_shares

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from latentome.estimators import BaseAutoencoder
    from latentome.io import BackedMatrix, RunFolder
    from latentome.workflow.prepare import Prepared
    from latentome.workflow.reporter import Reporter

#: Rows that are encoded at once.
ROWS = 4096
#: What is told of samples that are encoded in blocks.
LEFT_OUT = "Encoded in blocks: there is no map (t-SNE), no table of reconstructions, and no PCA beside the features."


def predict_own(run: RunFolder, prepared: Prepared, model: BaseAutoencoder, reporter: Reporter) -> None:
    """Encode the samples of a run that was trained from disk: ``latent.tsv``, ``latent.h5ad``, ``signatures.tsv``."""
    from latentome import tl

    with prepared.matrix as matrix, reporter.step("encode in blocks"):
        positions, _ = prepared.preprocessing.find(without_values(matrix))
        codes, errors = encode_backed(model, prepared.preprocessing, matrix, positions, check_range=False)
    weights = tl.loadings(model, codes[prepared.training])
    table = tl.signatures(weights, prepared.preprocessing.genes)
    write_codes(run.path, prepared.adata.obs, codes, errors, model.family)
    io.write_table(run.signatures, table.set_index("feature"))
    reporter.say(LEFT_OUT)


def predict_others(
    model: BaseAutoencoder,
    preprocessing: Preprocessing,
    matrix: BackedMatrix,
    told: AnnData,
    folder: Path,
    reporter: Reporter,
    *,
    max_missing: float,
    check_range: bool,
) -> None:
    """Encode new samples block by block: ``latent.tsv``, ``latent.h5ad`` and ``error.tsv`` in `folder`.

    `told` is what is known about the samples of the matrix and the genes: AnnData without X. See
    `latentome.workflow.predict_new` for the rest.
    """
    import pandas as pd

    positions, notes = preprocessing.find(told, max_missing)
    for note in [*map(str, told.uns["source"]["notes"]), *notes]:
        reporter.say(note)
    if absent := int((positions < 0).sum()):
        reporter.say(f"{absent} of {len(positions)} genes are missing and are filled with their training mean.")
    with reporter.step("encode in blocks"):
        codes, errors = encode_backed(model, preprocessing, matrix, positions, check_range)
    with io.guard_writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        clear_predictions(folder)
    write_codes(folder, told.obs, codes, errors, model.family)
    table = pd.DataFrame({"mean squared error": errors}, index=pd.Index(told.obs_names, name="sample"))
    io.write_table(folder / "error.tsv", table)
    reporter.say(LEFT_OUT)


def clear_predictions(folder: Path) -> None:
    """Remove tables of other samples, of which these may have no successor."""
    for name in PREDICTED:
        (folder / name).unlink(missing_ok=True)


def write_codes(folder: Path, obs: pd.DataFrame, codes: np.ndarray, errors: np.ndarray, family: str) -> None:
    """Write ``latent.tsv`` and ``latent.h5ad``: the features of each sample, beside what is known about it."""
    import pandas as pd
    from anndata import AnnData

    columns = [f"{family}_{i + 1}" for i in range(codes.shape[1])]
    io.write_table(folder / "latent.tsv", pd.DataFrame(codes, index=obs.index.rename("sample"), columns=columns))
    adata = AnnData(obs=obs.assign(error=errors), obsm={f"X_{family}": codes})
    adata.uns["model"] = {"family": family}
    io.write_h5ad(folder / "latent.h5ad", adata)


def encode_backed(
    model: BaseAutoencoder,
    preprocessing: Preprocessing,
    matrix: BackedMatrix,
    positions: np.ndarray,
    check_range: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Encode and reconstruct all samples of a matrix, samples x genes as they come, block by block.

    `positions` are the column of each gene of the model, -1 where it is missing. Gives codes, samples x components,
    float32; and the mean squared error of each sample, float64.
    """
    import pandas as pd

    codes, errors, shares, low, high, whole = [], [], [], np.inf, -np.inf, True
    for start in range(0, len(matrix), ROWS):
        raw = matrix.block(start, min(start + ROWS, len(matrix)))
        found = raw[:, positions[positions >= 0]]
        if found.size:
            low, high = min(low, float(found.min())), max(high, float(found.max()))
            whole = whole and are_whole(found)
        if preprocessing.counted:
            shares.append(depth_shares(raw, positions[positions >= 0]))
        x, _ = preprocessing.apply_rows(raw, positions)
        codes.append(model.transform(pd.DataFrame(x, columns=model.feature_names_in_)))
        errors.append(np.square(x - model.inverse_transform(codes[-1]), dtype=np.float64).mean(axis=1))
    source = str(matrix.path or "the samples")
    if check_range and shares:
        check_depth(np.concatenate(shares), matrix.shape[1], preprocessing, source)
    if check_range and low <= high:
        check_scale_range(low, high, whole, preprocessing, source)
    return np.concatenate(codes), np.concatenate(errors)
