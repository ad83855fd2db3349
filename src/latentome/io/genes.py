"""Names of genes: symbols, ``SYMBOL|ENTREZ``, Entrez and Ensembl ids; no name, one name twice, names made dates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentome.errors import InputError, check_known

if TYPE_CHECKING:
    import pandas as pd

#: What to do with several genes of the same name.
DUPLICATES = ("refuse", "drop", "most-variable", "sum")

_SYMBOL_ENTREZ = re.compile(r"(.+?)(?:\|(?=\d+$)| \((?=\d+\)$))(\d+)\)?")
_ENSEMBL = re.compile(r"(ENS[A-Z]{0,4}[GT]\d{11})\.\d+(_PAR_Y)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(
    rf"(?P<day>\d{{1,2}})-(?P<month>{'|'.join(_MONTHS)})(-\d{{2,4}})?"
    rf"|(?P<month2>{'|'.join(_MONTHS)})-(?P<day2>\d{{1,2}})"
    r"|\d{4}-(?P<number>\d\d)-(?P<day3>\d\d)( 00:00:00)?"
    r"|(?P<day4>\d{1,2})[./](?P<number2>\d{1,2})[./](\d{2}|\d{4})",
    re.IGNORECASE,
)
#: Rows that STAR and htseq-count write beside the genes; the latter's older versions without the underscores.
NOT_ASSIGNED = {
    *("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous", "__ambiguous"),
    *("__no_feature", "__too_low_aQual", "__not_aligned", "__alignment_not_unique"),
    *("no_feature", "too_low_aQual", "not_aligned", "alignment_not_unique"),
}
#: Names of what is known of samples or patients, in usual tables of them.
_CLINICAL = re.compile(
    r"(labels?|class(es)?|cluster|batch|group|target|outcome|response|condition|treatment|plate|patient|donor|subject"
    r"|age|bmi|sex|gender|stage|grade|days|months|years|time|dead|death|event|censored|status|survival"
    r"|os|dss|dfs|dfi|pfs|pfi|rfs|purity)([-_. ].*)?"
    r"|.*[-_. ](age|stage|grade|days|months|years|time|event|status|survival)",
    re.IGNORECASE,
)
#: The families of genes whose names spreadsheets take for dates, by month.
_DATED = {3: "MARCH", 9: "SEPT", 12: "DEC", 10: "OCT", 4: "APR", 2: "FEB", 11: "NOV"}


#: Names of what is computed of the other samples, or genes, of a table: sums, means, numbers of values.
_COMPUTED = re.compile(
    r"(grand[-_. ]?)?(total|sum|mean|average|avg|median|std|sd|stdev|variance|min|minimum|max|maximum)"
    r"|(total|sum|mean|n|num|number)[-_. ](of[-_. ])?(counts?|reads|genes?|features?|expression|umis?|samples?)"
    r"|n(Count|Feature)_\w+|(pct|percent)[-_. ]\w+|n_genes_by_counts|library[-_. ]?size|lib[-_. ]?size"
    r"|(gene[-_. ]?|effective[-_. ]?)?length",
    re.IGNORECASE,
)


class Genes(NamedTuple):
    """Gene names as they will be used.

    `keep` is boolean, one for each gene of the file. Of those kept, `names` are the unique names and `columns` further
    ones of ``var``: ``entrez``, ``symbol``; ``duplicate_of`` where several genes share a name and the most variable one
    is to be chosen on training samples. `sums` are groups of their positions whose values are to be added up into the
    first one. `notes` say what was done.
    """

    keep: np.ndarray
    names: list[str]
    columns: dict[str, list[str]]
    sums: list[list[int]]
    notes: list[str]


def gene_table() -> pd.DataFrame:
    """Give the bundled table of 20,507 human genes: the columns ``entrez`` and ``symbol``, both text."""
    import pandas as pd

    return pd.DataFrame(_known_genes(), columns=["entrez", "symbol"], dtype=object)


@lru_cache(maxsize=1)
def known_names() -> frozenset[str]:
    """Give every bundled gene symbol and Entrez id."""
    return frozenset(name for row in _known_genes() for name in row)


def check_duplicates(rule: str) -> None:
    """Refuse an unknown rule for genes of the same name."""
    check_known(rule, DUPLICATES, f"There is no rule '{rule}' for genes of the same name", where="duplicates")


def tidy_genes(names: Sequence[str], where: Callable[[int], str], file: str, duplicates: str = "refuse") -> Genes:
    """Split ``SYMBOL|ENTREZ``, drop versions of Ensembl ids and genes without a name, and settle genes named twice.

    Reads that were counted for no gene, by STAR or htseq-count, are left out, too. `where` says for a position where in
    the file it is, such as ``column 4``; `file` is its name, for the message.

    What becomes of several genes of the same name, `duplicates` says. ``refuse``: if the file itself has a name twice;
    genes that differ in their Entrez id only keep their full names. ``drop`` leaves all of them out, as the published
    pipeline does. ``sum`` adds them up. ``most-variable`` keeps them all under names of their own, and says in the
    column ``duplicate_of`` what they share: which one varies most is for training samples to say.
    """
    names = [name.strip() for name in names]
    notes = _note_dates(names, where)
    matches = [_SYMBOL_ENTREZ.fullmatch(name) for name in names]
    split = sum(match is not None for match in matches) > len(names) / 2
    symbols = [match[1] if split and match else name for name, match in zip(names, matches, strict=True)]
    versions = [_ENSEMBL.fullmatch(name) for name in symbols]
    if any(versions):
        symbols = [f"{v[1]}{v[2] or ''}" if v else name for name, v in zip(symbols, versions, strict=True)]
        names = symbols if not split else names
        notes.append(f"Versions were cut off {sum(map(bool, versions))} Ensembl ids.")
    keep = np.array([symbol not in ("?", "") for symbol in symbols], dtype=bool)
    if not keep.all():
        notes.append(f"Dropped {int((~keep).sum())} of {len(names)} genes that have no name ('?').")
    others = [i for i, name in enumerate(names) if name in NOT_ASSIGNED]
    if others:
        keep[others] = False
        told = listed([names[i] for i in others], len(NOT_ASSIGNED))
        notes.append(f"{told} are no genes but counts of reads without one; set aside.")
    clinical = [s for s, kept in zip(symbols, keep, strict=True) if kept and _is_clinical(s)]
    if clinical:
        notes.append(
            f"Taken for genes, though no known gene is named so and labels or clinical data are: {listed(clinical)}. "
            "If they are none, delete them from the matrix, and give them as --labels."
        )
    notes += note_computed([s for s, kept in zip(symbols, keep, strict=True) if kept], "genes")
    entrez = [match[2] if split and match else "" for match in matches]
    count = Counter(symbol for symbol, kept in zip(symbols, keep, strict=True) if kept)
    if duplicates == "refuse":
        _refuse_repeated([names[i] for i in np.flatnonzero(keep)], lambda i: where(np.flatnonzero(keep)[i]), file)
    shared = sorted(symbol for symbol, times in count.items() if times > 1)
    return _settle(names, symbols, entrez, keep, shared, duplicates, notes)


def _is_clinical(name: str) -> bool:
    return _CLINICAL.fullmatch(name) is not None and name.upper() not in known_names()


def note_computed(names: Sequence[str], what: str) -> list[str]:
    """A note on `what` (samples or genes) with names that sums and means of the others have; none without them."""
    computed = [name for name in names if _COMPUTED.fullmatch(name) and name.upper() not in known_names()]
    if not computed:
        return []
    return [f"Taken for {what}, though named as what is computed of the others: {listed(computed)}. Delete them if so."]


def are_row_numbers(names: Sequence[str]) -> bool:
    """Tell row numbers 0, 1, 2, ... from Entrez ids, many of which are small numbers too."""
    start = names[0] if names else ""
    return start in ("0", "1") and all(name == str(int(start) + i) for i, name in enumerate(names[:20]))


def listed(names: Sequence[str], most: int = 5) -> str:
    """List some names and say how many there are."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"


def _settle(
    names: list[str],
    symbols: list[str],
    entrez: list[str],
    keep: np.ndarray,
    shared: list[str],
    rule: str,
    notes: list[str],
) -> Genes:
    """Apply the rule to symbols that several genes share."""
    among = set(shared)
    if shared and rule == "drop":
        doubled = np.array([symbol in among for symbol in symbols]) & keep
        keep = keep & ~doubled
        notes.append(f"Dropped {int(doubled.sum())} genes that share {_several(shared)}: {listed(shared)}.")
        among = set()
    kept = np.flatnonzero(keep).tolist()
    groups: dict[str, list[int]] = {}
    for position, i in enumerate(kept):
        if symbols[i] in among:
            groups.setdefault(symbols[i], []).append(position)
    columns: dict[str, list[str]] = {}
    tidy = [symbols[i] for i in kept]
    if rule == "sum" and groups:
        notes.append(
            f"Added up {sum(map(len, groups.values()))} genes that share {_several(shared)}: {listed(shared)}. "
            "On a log scale the sum would be wrong."
        )
        _number(tidy, groups)
        return Genes(keep, tidy, _identifiers(tidy, [entrez[i] for i in kept]), list(groups.values()), notes)
    alike = {}
    for symbol, positions in groups.items():
        own = [names[kept[i]] for i in positions]
        if len(set(own)) < len(own):
            alike[symbol] = positions
            continue
        for position, name in zip(positions, own, strict=True):
            tidy[position] = name
    _number(tidy, alike)
    if groups and rule == "most-variable":
        columns["duplicate_of"] = [symbols[i] if symbols[i] in among else "" for i in kept]
        notes.append(
            f"{sum(map(len, groups.values()))} genes share {_several(shared)}: {listed(shared)}. Of each, the one that "
            "varies most among the training samples will be kept."
        )
    elif groups:
        notes.append(
            f"Symbols that belong to several Entrez ids: {listed(shared)}. "
            "These genes keep their full names SYMBOL|ENTREZ."
        )
    columns |= _identifiers([symbols[i] for i in kept], [entrez[i] for i in kept])
    return Genes(keep, tidy, columns, [], notes)


def _number(names: list[str], groups: dict[str, list[int]]) -> None:
    """Make equal names different, in place, as pandas does: A, A.1, A.2."""
    taken = set(names)
    for name, positions in groups.items():
        number = 0
        for position in positions[1:]:
            while (other := f"{name}.{(number := number + 1)}") in taken:
                pass
            names[position] = other
            taken.add(other)


def _several(shared: list[str]) -> str:
    return f"{len(shared)} name{'' if len(shared) == 1 else 's'}"


def _identifiers(symbols: list[str], entrez: list[str]) -> dict[str, list[str]]:
    """Entrez ids where the file has them; symbols of genes that it names by their Entrez ids."""
    if any(entrez):
        return {"entrez": entrez}
    if symbols and not are_row_numbers(symbols) and sum(name.isdigit() for name in symbols) > len(symbols) / 2:
        known = dict(_known_genes())
        return {"symbol": [known.get(name, name) for name in symbols]}
    return {}


def _note_dates(names: list[str], where: Callable[[int], str]) -> list[str]:
    """Notice names that a spreadsheet turned into dates, and say what they may have been."""
    dated = [(i, match) for i, name in enumerate(names) if name[:1].isalnum() and (match := _DATE.fullmatch(name))]
    if not dated:
        return []
    shown = [f"'{names[i]}' ({where(i)}){_original(match)}" for i, match in dated[:3]]
    many = "1 gene name is a date" if len(dated) == 1 else f"{len(dated)} gene names are dates"
    return [
        f"{many}, which a spreadsheet made of them: {'; '.join(shown)}{'; ...' if len(dated) > 3 else ''}. "
        "Take the table from before it was opened in a spreadsheet."
    ]


def _original(match: re.Match[str]) -> str:
    word = match["month"] or match["month2"]
    month = _MONTHS.index(word.lower()) + 1 if word else int(match["number"] or match["number2"])
    day = int(match["day"] or match["day2"] or match["day3"] or match["day4"])
    return f", perhaps {_DATED[month]}{day}" if month in _DATED else ""


def _refuse_repeated(names: list[str], where: Callable[[int], str], file: str) -> None:
    count = Counter(names)
    if len(count) == len(names):
        return
    places: dict[str, list[str]] = {}
    for position, name in enumerate(names):
        if count[name] > 1:
            places.setdefault(name, []).append(where(position))
    shown = "; ".join(f"{name} at {', '.join(at[:3])}" for name, at in list(places.items())[:5])
    more = f"; {len(places)} in all" if len(places) > 5 else ""
    noun = "gene names" if len(places) > 1 else "gene name"
    dates = any(_DATE.fullmatch(name) for name in places)
    raise InputError(
        f"{file} has {len(places)} {noun} more than once: {listed(list(places))}",
        where=f"{file}: {shown}{more}",
        expected="every gene once",
        todo=("A spreadsheet turned these names into dates: take the table from before that. " if dates else "")
        + "Choose what becomes of genes of the same name: --duplicates drop, sum or (in training) most-variable; "
        "or give them different names (SYMBOL|ENTREZ tells them apart).",
    )


@lru_cache(maxsize=1)
def _known_genes() -> tuple[tuple[str, str], ...]:
    import gzip

    # Read as a file of the package, not through latentome.datasets: that room may import this one, not the reverse.
    packed = files("latentome").joinpath("datasets", "bundled", "genes.tsv.gz").read_bytes()
    rows = gzip.decompress(packed).decode().splitlines()[1:]
    return tuple(tuple(row.split("\t")) for row in rows)
