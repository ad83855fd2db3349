"""What is known of the samples: columns of ``obs`` as classes, numbers or survival times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from latentome.errors import InputError, check_known

if TYPE_CHECKING:
    import pandas as pd

#: A class of fewer samples is not compared: five folds need five, and the normal approximation of ranks as many.
MIN_SAMPLES = 5
#: How often two columns that are independent may look related.
RATE_OF_CHANCE = 0.05
#: What pandas calls columns of the type object that hold numbers alone, as those read from lists with None do.
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")


@dataclass(frozen=True)
class Covariate:
    """One column, of kind ``classes``, ``number`` or ``survival``, for the samples (by row number) that have it.

    The values of these samples are codes of the classes (int; `levels` are the classes in their order), numbers, or
    times, with whether the event was seen. Where samples come in groups, `units` numbers for each sample what it is
    averaged in, and `varies` says whether groups have several values. The row is then that of the first sample.
    """

    name: str
    kind: str
    rows: np.ndarray
    values: np.ndarray
    levels: tuple[str, ...] = ()
    event: np.ndarray | None = None
    units: np.ndarray | None = None
    varies: bool = False

    @property
    def member(self) -> np.ndarray:
        """Boolean, samples x classes."""
        return self.values[:, None] == np.arange(len(self.levels))

    @property
    def compared(self) -> list[int]:
        """The classes to compare with the other samples: of two the second, as the first says the same."""
        return [1] if len(self.levels) == 2 else list(range(len(self.levels)))

    def of_all(self) -> Covariate:
        """The same for all samples of its units, not the first alone."""
        if self.units is None:
            return self
        place = np.full(self.units.max() + 2, -1)  # the last place is that of samples without a unit, which are -1
        place[self.units[self.rows]] = np.arange(len(self.rows))
        rows = np.flatnonzero(place[self.units] >= 0)
        there = place[self.units[rows]]
        event = None if self.event is None else self.event[there]
        return replace(self, rows=rows, values=self.values[there], event=event)

    def strata(self, n: int) -> np.ndarray:
        """The class of each of n samples, or the fifth of the range that its number is in; -1 where it is missing."""
        found = np.full(n, -1)
        codes = self.values
        if self.kind != "classes":
            codes = np.searchsorted(np.quantile(self.values, [0.2, 0.4, 0.6, 0.8]), self.values)
        found[self.rows] = codes
        return found


def read_covariates(
    obs: pd.DataFrame,
    columns: Sequence[str] | None = None,
    survival: Sequence[tuple[str, str]] = (),
    min_samples: int = MIN_SAMPLES,
    groups: pd.Series | None = None,
) -> tuple[list[Covariate], list[str]]:
    """Read columns of ``obs``, by default all that can be used; say in sentences what was left out and why.

    A column of numbers or dates with more than two values is a number; any other is classes. Classes, and columns of
    numbers, of fewer than `min_samples` are left out. `survival` has pairs of a column with times and a column that is
    true (or 1) where the event was seen. With `groups`, a number for each sample, each group counts once, or once for
    each of its values.

    Raises
    ------
    InputError
        If a column that was asked for is missing, constant, empty, or has fewer than two classes of `min_samples`; or
        if no column can be used.
    """
    survival = [survival] if survival and isinstance(survival[0], str) else survival
    used = {name for pair in survival for name in pair}
    asked = list(obs.columns) if columns is None else [columns] if isinstance(columns, str) else list(columns)
    asked = list(dict.fromkeys(asked))
    found, notes = [], []
    for name in asked:
        check_column(obs, name)
        if columns is None and name in used:
            continue
        values, units, varies = _once_a_group(obs[name], groups)
        covariate, why = read_column(values, str(name), min_samples)
        if covariate is not None:
            found.append(replace(covariate, units=units, varies=varies))
        elif columns is not None:
            raise _unusable(str(name), why, len(obs), min_samples)
        if why:
            notes.append(f"Column '{name}': {why}.")
    for time, event in survival:
        alike = [*(name for name in asked if columns is not None), *(other for other, _ in survival)].count(time)
        covariate, told = _read_survival(obs, time, event, min_samples, groups)
        notes += [note for note in told if note not in notes]
        found.append(covariate if alike == 1 else replace(covariate, name=f"{time} ({event})"))
    if not found:
        raise InputError(
            "No column of the samples can be associated with anything.",
            where=f"{len(obs)} samples; {' '.join(notes) or 'obs has no columns'}",
            expected=f"a column of numbers, or of at least two classes with {min_samples} samples each",
            todo="add labels to the samples first, such as with latentome.io.add_labels or --labels FILE",
        )
    return found, notes


def _once_a_group(values: pd.Series, groups: pd.Series | None) -> tuple[pd.Series, np.ndarray | None, bool]:
    """Leave each value to the first sample of each group that has it; and give the `units` and `varies` of a column.

    A group of which one value is known has it, whichever sample tells.
    """
    import pandas as pd

    if groups is None:
        return values, None, False
    if (known := _of_groups(values, groups)) is not None:
        return known.where(~groups.duplicated()), groups.to_numpy(), False
    both = pd.DataFrame({"group": groups, "value": values})
    units = both.groupby(["group", "value"], observed=True).ngroup().to_numpy()
    return values.where(~both.duplicated()), units, True


def _of_groups(values: pd.Series, groups: pd.Series) -> pd.Series | None:
    """The one value of each group, for all of its samples; None where a group has several."""
    by_group = values.groupby(groups)
    return by_group.transform("first") if by_group.nunique().max() <= 1 else None


def check_column(obs: pd.DataFrame, name: str) -> None:
    """Refuse a column that the samples do not have."""
    what, where = f"There is no column '{name}'.", f"obs of {len(obs)} samples"
    todo = "name one of these columns" if len(obs.columns) else "add labels to the samples first (--labels FILE)"
    check_known(name, obs.columns, what, where=where, todo=todo)


def read_column(column: pd.Series, name: str, min_samples: int) -> tuple[Covariate | None, str]:
    """The covariate, or None; and why it, or some of its classes, cannot be used."""
    import pandas as pd

    column = _in_days(column)
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in NUMBERS:
        column = pd.to_numeric(column)
    column, stray = _without_words(column)
    number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan) if number else column.to_numpy(dtype=object)
    present = np.isfinite(values) if number else ~pd.isna(values)
    if not present.any():
        return None, "every value is missing"
    rows = np.flatnonzero(present)
    levels, codes, counts = np.unique(
        values[rows] if number else values[rows].astype(str), return_inverse=True, return_counts=True
    )
    if len(levels) < 2:
        return None, f"every value is {levels[0]}"
    if number and len(levels) > 2:
        if len(rows) < min_samples:
            return None, f"only {len(rows)} samples have a value"
        return Covariate(name, "number", rows, values[rows]), stray
    large = np.flatnonzero(counts >= min_samples)
    small = len(levels) - len(large)
    why = f"{small} of {len(levels)} classes have fewer than {min_samples} samples" if small else ""
    if len(large) < 2:
        return None, why
    keep = np.isin(codes, large)
    names = tuple(map(name_of, levels[large]))
    return Covariate(name, "classes", rows[keep], np.searchsorted(large, codes[keep]), names), why


def _in_days(column: pd.Series) -> pd.Series:
    """Dates, or text that is dates as ISO 8601 writes them, as days since 1970; any other column as it is."""
    import pandas as pd

    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        words = column.dropna().astype(str)
        if not len(words) or not words.str.fullmatch(r"\d{4}-\d{2}-\d{2}").all():
            return column
    dates = pd.to_datetime(column.astype(object), errors="coerce", utc=True)
    if dates.isna().sum() > column.isna().sum():  # digits that are no day
        return column
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def _without_words(column: pd.Series) -> tuple[pd.Series, str]:
    """A column of numbers with some words among them as numbers, and what the words were; any other as it is.

    It is one where four fifths of the different values are numbers, ten or more of them, or thirty where all are whole:
    the numbers of clusters or chromosomes are fewer, and stay names of classes.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column, ""
    words = column.astype(object).where(column.notna(), None)
    numbers = pd.to_numeric(words, errors="coerce")
    stray = words[numbers.isna() & words.notna()].astype(str)
    different = numbers.nunique()
    enough = 30 if (numbers.dropna() % 1 == 0).all() else 10
    if not len(stray) or different < enough or different < 4 * stray.nunique():
        return column, ""
    told = ", ".join(f"'{word}'" for word in stray.unique()[:3])
    return numbers, f"{len(stray)} values among its numbers are words ({told}) and count as missing"


def name_of(value: Any) -> str:
    """A class as the tables name it: 1, not 1.0, where missing values have made a whole number another kind."""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _read_survival(
    obs: pd.DataFrame, time: str, event: str, min_samples: int, groups: pd.Series | None
) -> tuple[Covariate, list[str]]:
    """The survival times of the samples that have both values, and sentences about those that lack one.

    Of a group each pair of a time and an event counts once: two samples of a patient who died are one death.
    """
    import pandas as pd

    numbers, odd, notes = [], [], []
    for name in (time, event):
        check_column(obs, name)
        column = pd.to_numeric(obs[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        words = obs[name][~np.isfinite(column) & obs[name].notna().to_numpy()]
        odd += [f"'{words.iloc[0]}' in '{name}' is no number"] if len(words) else []
        if groups is not None and (known := _of_groups(pd.Series(column, obs.index), groups)) is not None:
            column = known.to_numpy()
        lacking = int((~np.isfinite(column)).sum())
        if lacking:
            notes.append(
                f"Column '{name}': {lacking} of {len(obs)} samples have no value"
                + (f" ({len(words)} of them something else, such as '{words.iloc[0]}')." if len(words) else ".")
            )
        numbers.append(column)
    both = pd.Series(pd.MultiIndex.from_arrays(numbers).factorize()[0], obs.index, dtype=float)
    both, units, varies = _once_a_group(both.where(np.isfinite(numbers).all(axis=0)), groups)
    rows = np.flatnonzero(both.notna())
    times, events = (column[rows] for column in numbers)
    if (times < 0).any():
        first = rows[np.argmax(times < 0)]
        odd.append(f"{int((times < 0).sum())} times are negative, such as {numbers[0][first]:g} of {obs.index[first]}")
    elif len(times) and (times == times[0]).all():
        odd.append(f"every time is {times[0]:g}")
    if (times < 0).any() or not np.isin(events, (0.0, 1.0)).all() or events.sum() < min_samples or np.ptp(times) == 0:
        seen = f"{len(rows)} of {len(obs)} samples have both, {int((events == 1).sum())} with the event"
        raise InputError(
            f"The columns '{time}' and '{event}' are no survival times.",
            where="; ".join([seen, *odd]),
            expected=f"times of 0 or more that differ; 1 for the event (at least {min_samples} of them) or 0 for none",
            todo="name the column of times and that of the events, in this order, and correct or empty wrong values",
        )
    return Covariate(time, "survival", rows, times, event=events == 1, units=units, varies=varies), notes


def _unusable(name: str, why: str, n: int, min_samples: int) -> InputError:
    return InputError(
        f"The column '{name}' cannot be associated with anything: {why}.",
        where=f"obs['{name}'] of {n} samples",
        expected=f"numbers that differ, or at least two classes with {min_samples} samples each",
        todo="choose another column, bring more samples, or join the small classes",
    )


def relation(one: Covariate, other: Covariate, n: int) -> float:
    """How much a covariate has in common with another: Cramer's V, with bias corrected; numbers are cut into fifths.

    From 0 (independent, within chance by a chi-square test at `RATE_OF_CHANCE`, or the other one not known for half of
    the samples of the first) to 1 (one tells the other).

    References
    ----------
    Bergsma (2013). A bias-correction for Cramer's V and Tschuprow's T. J. Korean Stat. Soc. 42, 323-328.
    """
    from scipy.stats import chi2

    a, b = one.strata(n), other.strata(n)
    both = (a >= 0) & (b >= 0)
    if both.sum() < max(2, (a >= 0).sum() / 2):
        return 0.0
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a[both], b[both]), 1.0)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    total, (r, c) = table.sum(), table.shape
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / total
    statistic = (np.square(table - expected) / expected).sum()
    if chi2.sf(statistic, (r - 1) * (c - 1)) > RATE_OF_CHANCE:
        return 0.0
    phi = max(0.0, statistic / total - (r - 1) * (c - 1) / (total - 1))
    least = min(r - (r - 1) ** 2 / (total - 1), c - (c - 1) ** 2 / (total - 1)) - 1
    return float(min(1.0, np.sqrt(phi / least))) if least > 0 else 0.0
