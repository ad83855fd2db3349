"""Which genes a model reads: the most variable ones by one of three measures, or those of a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latentome.errors import InputError, check_known
from latentome.io.files import check_exists, check_text
from latentome.io.genes import listed
from latentome.io.unpack import lines

#: Measures of how much a gene varies. ``mean-deviation`` is what Tybalt's code did, ``median-deviation`` what its paper
#: says.
SELECTIONS = ("mean-deviation", "median-deviation", "variance")
WORDS = {
    "mean-deviation": "mean absolute deviation",
    "median-deviation": "median absolute deviation",
    "variance": "variance",
}
#: The two deviations are told apart where fewer than so many of the chosen genes are the same.
SAME_SHARE = 0.95
#: So many rows tell how far the two choices agree.
_COMPARED_ROWS = 1000


def check_selection(rule: str) -> None:
    """Refuse an unknown measure."""
    check_known(rule, SELECTIONS, f"There is no selection '{rule}' of genes.", where="the option select")


def variability(values: np.ndarray, rule: str) -> np.ndarray:
    """How much each gene varies.

    Parameters
    ----------
    values
        Samples x genes, on the scale that models are trained on; finite.
    rule
        ``mean-deviation``: mean absolute deviation around the mean; ``median-deviation``: median absolute deviation
        around the median; ``variance``.

    Returns
    -------
    One number for each gene, float64.
    """
    values = np.asarray(values)
    if rule == "variance":
        return values.var(axis=0, dtype=np.float64)
    if rule == "mean-deviation":
        mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        return np.abs(values - mean).mean(axis=0, dtype=np.float64)
    deviations = np.empty(values.shape[1], dtype=np.float64)
    step = max(1, 8_000_000 // max(1, len(values)))  # some genes at a time: a median sorts a copy
    for start in range(0, values.shape[1], step):
        block = values[:, start : start + step]
        deviations[start : start + step] = np.median(np.abs(block - np.median(block, axis=0)), axis=0)
    return deviations


def most_variable(values: np.ndarray, n_genes: int, rule: str) -> tuple[np.ndarray, list[str]]:
    """Choose genes by how much they vary.

    Parameters
    ----------
    values
        Training samples x genes.
    n_genes
        How many.
    rule
        One of `SELECTIONS`.

    Returns
    -------
    Their positions, ascending, and sentences about the choice.
    """
    values = np.asarray(values)
    return choose_by(variability(values, rule), values[compared_rows(len(values))], n_genes, rule)


def compared_rows(n: int) -> np.ndarray:
    """Of `n` rows the numbers of those that tell how far two choices agree."""
    return np.linspace(0, n - 1, min(n, _COMPARED_ROWS)).astype(int)


def choose_by(deviations: np.ndarray, some: np.ndarray, n_genes: int, rule: str) -> tuple[np.ndarray, list[str]]:
    """As `most_variable`, of genes whose `variability` is known; `some` are the rows `compared_rows` x genes."""
    best = _best(deviations, n_genes)
    notes = [f"The {n_genes} most variable of {len(deviations)} genes were kept ({WORDS[rule]})."]
    if rule != "variance":
        other = SELECTIONS[1 - SELECTIONS.index(rule)]
        chosen = [set(_best(variability(some, name), n_genes).tolist()) for name in (rule, other)]
        shared = len(chosen[0] & chosen[1]) / n_genes
        if shared < SAME_SHARE:
            notes.append(
                f"By the {WORDS[other]} only {shared:.0%} of these genes would have been kept: the choice of the "
                "measure matters here (--select)."
            )
    return best, notes


def read_gene_list(path: str) -> list[str]:
    """Read names of genes, one a line; of a table the first column.

    Parameters
    ----------
    path
        A file of text, compressed or not; lines that begin with ``#`` are passed over.

    Raises
    ------
    InputError
        If there is no such file, or fewer than two names are in it.
    """
    file = Path(path).expanduser()
    check_exists(file)
    check_text(file)
    names = list(dict.fromkeys(line.split("\t")[0].strip().strip('"') for line in lines(file)))
    names = [name for name in names if name and not name.startswith("#")]
    if len(names) < 2:
        raise InputError(
            f"{file.name} names {len(names)} genes.",
            where=str(file),
            expected="two genes or more, one a line",
            todo="name more genes",
        )
    return names


def listed_genes(known: Sequence[str], wanted: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Find the genes of a list, at least two, among those that vary: ascending positions in `known`, a sentence.

    A gene that is not there under its name is looked for by the symbol of ``SYMBOL|ENTREZ``, then by its Entrez id, as
    the genes of new samples are.
    """
    from latentome.pp.align import entrez_id  # which builds on what this file has

    place = {name: i for i, name in enumerate(known)}
    at = {name: place.get(name, place.get(name.rpartition("|")[0])) for name in wanted}
    if None in at.values():
        by_id: dict[str, list[int]] = {}
        for i, name in enumerate(known):
            by_id.setdefault(entrez_id(name), []).append(i)
        for name in (name for name, i in at.items() if i is None):
            columns = by_id.get(entrez_id(name), []) if entrez_id(name) else []
            at[name] = columns[0] if len(columns) == 1 else None  # several would be a choice, and nobody made it
    found = sorted({i for i in at.values() if i is not None})
    gone = [name for name, i in at.items() if i is None]
    if len(found) < 2:
        raise InputError(
            f"The list of genes has {len(found)} genes of the matrix.",
            where=f"the list: {listed(wanted)}; the matrix: {listed(known)}",
            expected="two genes or more that the matrix has and that vary",
            todo="name the genes as the matrix does (symbols, say)",
        )
    said = f"{len(found)} of the {len(wanted)} genes of the list were kept"
    notes = [said + (f"; not there, or constant: {listed(gone)}." if gone else ".")]
    renamed = [f"{name} as {known[i]}" for name, i in at.items() if i is not None and name != known[i]]
    if renamed:
        notes.append(f"{len(renamed)} genes of the list were found under another name: {listed(renamed, 3)}.")
    return np.array(found), notes


def _best(deviation: np.ndarray, n_genes: int) -> np.ndarray:
    return np.sort(np.argsort(-deviation, kind="stable")[:n_genes])
