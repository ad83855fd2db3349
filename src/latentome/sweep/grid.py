"""What a sweep varies: names with their values, every combination of them or some at random."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentome.errors import InputError, nearest

#: Parameters by the names that the command line gives them.
ALIASES = {"latent_dim": "n_components", "epochs": "max_epochs"}
#: What a sweep decides itself.
RESERVED = {"random_state": "seeds", "seed": "seeds", "folds": "folds", "seeds": "seeds"}


@dataclass(frozen=True)
class Span:
    """Everything between two numbers, for a random search: whole numbers evenly, others evenly in their logarithm.

    Parameters
    ----------
    low, high
        The ends.
    """

    low: float
    high: float

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @staticmethod
    def shortened(value: float) -> float:
        """A value with so few digits that it can be typed again."""
        return float(f"{value:.4g}")

    def draw(self, rng: np.random.Generator) -> int | float:
        """One value.

        Parameters
        ----------
        rng
            What it is drawn with.
        """
        if self.whole:
            return int(rng.integers(self.low, self.high + 1))
        return self.shortened(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))


def parse_grid(texts: Sequence[str]) -> dict[str, list[Any] | Span]:
    """Read texts such as ``latent_dim=5,25,100`` or ``learning_rate=1e-4..1e-2``.

    Widths of hidden layers are joined by an x: ``hidden=none,128,300x100``.

    Raises
    ------
    InputError
        If a text has no name or no value, or a name comes twice.
    """
    grid: dict[str, list[Any] | Span] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = _full_name(name.strip())
        parts = [part.strip() for part in values.split(",")]
        if not equals or not name or not all(parts):
            raise _refusal("This is no part of a grid.", f"--grid {text}", "NAME=VALUE,VALUE,... without empty values")
        if name in grid:
            raise _refusal(f"The grid names '{name}' twice.", f"--grid {text}", "each parameter once, with all values")
        low, dots, high = values.partition("..")
        grid[name] = Span(_value(low), _value(high)) if dots else [_value(part, name) for part in parts]
    return check_grid(grid)


def _value(text: str, name: str = "") -> Any:
    if name == "hidden":
        return [] if text.lower() == "none" else [_value(width) for width in text.split("x")]
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check_grid(grid: Mapping[str, Any]) -> dict[str, list[Any] | Span]:
    """Give a grid its full names, and refuse one that says nothing or contradicts itself."""
    checked: dict[str, list[Any] | Span] = {}
    for given, values in grid.items():
        name = _full_name(given)
        if name in RESERVED:
            raise _refusal(f"'{given}' is not varied by a grid.", f"grid: {given}", f"the option {RESERVED[name]}")
        if name in checked:
            raise _refusal(f"The grid names '{name}' twice.", f"grid: {given}", "each parameter once, with all values")
        if isinstance(values, Span):
            checked[name] = _check_span(name, values)
            continue
        if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
            raise _refusal(f"'{name}' has no list of values.", f"grid: {name}={values!r}", "a list of values")
        plain = [list(v) if isinstance(v, tuple) else v.item() if isinstance(v, np.generic) else v for v in values]
        if not plain:
            raise _refusal(f"'{name}' has no value.", f"grid: {name}=[]", "at least one value")
        seen = [str(v) for v in plain]
        double = next((v for v in seen if seen.count(v) > 1), None)
        if double is not None:
            raise _refusal(f"'{name}' has the value {double} twice.", f"grid: {name}={', '.join(seen)}", "each once")
        checked[name] = plain
    return checked


def _check_span(name: str, span: Span) -> Span:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (span.low, span.high))
    if not numbers or not -(2**63) < span.low < span.high < 2**63 or not (span.whole or span.low > 0):
        expected = "two numbers, the smaller one first; above 0 where they are not whole"
        raise _refusal(f"'{name}' has no such range.", f"grid: {name}={span.low}..{span.high}", expected)
    return span


def _full_name(name: str) -> str:
    name = name.replace("-", "_")
    return ALIASES.get(name, name)


def check_names(grid: Mapping[str, Any], fixed: Mapping[str, Any], kind: type, model: str) -> None:
    """Refuse parameters that a model does not have, and those that are both varied and fixed."""
    known = [name for name in inspect.signature(kind).parameters if name != "random_state"]
    for name in grid:
        if name not in known:
            raise InputError(
                f"The model '{model}' has no parameter '{name}'.",
                where=f"grid: {name}",
                expected=nearest(name, [*known, *ALIASES]),
                todo="correct the name, or choose a model that has it",
            )
        if name in fixed:
            raise _refusal(
                f"'{name}' is both varied and fixed.",
                f"grid: {name}; option: {name}={fixed[name]!r}",
                "a parameter in the grid or as an option, not both",
            )


def combinations(grid: Mapping[str, list[Any] | Span], random: int | None, seed: int) -> list[dict[str, Any]]:
    """Every combination of a grid in its order, the last name fastest; or `random` different ones, as ranges need."""
    if random is not None and random < 1:
        raise _refusal(f"{random} random configurations are none.", f"random={random}", "1 or more")
    spans = [name for name, values in grid.items() if isinstance(values, Span)]
    if spans and random is None:
        raise _refusal(
            f"A range has no end of values: '{spans[0]}'.",
            f"grid: {spans[0]}",
            "a number of random draws (--random 20)",
        )
    if not spans:
        product = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        if random is None or random >= len(product):
            return product
        chosen = np.random.default_rng([seed, 3]).choice(len(product), random, replace=False)
        return [product[i] for i in sorted(chosen)]
    rng = np.random.default_rng([seed, 3])
    drawn: dict[str, dict[str, Any]] = {}
    for _ in range(100 * random):
        one = {n: v.draw(rng) if isinstance(v, Span) else v[rng.integers(len(v))] for n, v in grid.items()}
        drawn.setdefault(str(one), one)
        if len(drawn) == random:
            break
    return list(drawn.values())


def _refusal(what: str, where: str, expected: str) -> InputError:
    return InputError(what, where=where, expected=expected, todo="correct the grid")
