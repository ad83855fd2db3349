"""What a sweep was asked to do: enough to repeat it, and to know its folder again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from latentome.errors import InputError
from latentome.sweep.grid import Span, check_grid, check_names, combinations
from latentome.workflow.choose import choose_model
from latentome.workflow.config import RunConfig, checked

if TYPE_CHECKING:
    from latentome.estimators import BaseAutoencoder

#: The numbers of a request, as its folder keeps them.
COUNTS = ("seeds", "folds", "random", "limit", "halving", "bayesian")
#: The most combinations of the ends of ranges that are checked before a Bayesian search.
MAX_CHECKED = 1000


@dataclass(frozen=True)
class Configuration:
    """One model of a sweep, whatever its fold and seed.

    Parameters
    ----------
    number
        From 1.
    model
        Its name.
    varied
        The values of what is varied.
    round
        Where configurations are given up on the way: the round, from 1, that it is trained in.
    """

    number: int
    model: str
    varied: dict[str, Any]
    round: int = 1


@dataclass(frozen=True)
class SweepRequest:
    """The request behind a sweep; kept in its folder as ``sweep.toml``.

    Parameters
    ----------
    base
        What all trainings share: data, labels, preprocessing, the share held out with one fold, the first seed, and the
        parameters that are not varied. Its model is not used.
    models
        Names of model families or presets.
    grid
        What is varied, by name: a list of values, or a `Span`.
    seeds, folds, random, limit, keep_models, halving, bayesian
        As of `latentome.sweep.run`: seeds from ``base.seed`` on; one split holds out ``base.test_size``.
    named
        The published sweep that this one repeats, if any: its losses are shown beside.
    """

    base: RunConfig
    models: tuple[str, ...] = ("vae",)
    grid: dict[str, Any] = field(default_factory=dict)
    seeds: int = 1
    folds: int = 1
    random: int | None = None
    limit: int | None = None
    keep_models: bool = False
    halving: int | None = None
    bayesian: int | None = None
    named: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", check_grid(self.grid))
        for name, least in (("seeds", 1), ("folds", 1), ("limit", 1), ("bayesian", 2), ("halving", 2)):
            number = getattr(self, name)
            if number is not None and number < least:
                raise InputError(
                    f"This is no number for a sweep: {name}={number}.",
                    where=f"{name}={number}",
                    expected=f"{least} or more",
                    todo="correct the option",
                )
        if self.base.seed + self.seeds - 1 > 2**32 - 1:
            raise InputError(
                "There are no such seeds.",
                where=f"seed={self.base.seed}, seeds={self.seeds}",
                expected="seeds up to 4,294,967,295",
                todo="begin with a smaller one, or ask for fewer",
            )
        ways = [name for name in ("random", "limit", "halving") if getattr(self, name) is not None]
        if self.bayesian is not None and ways:
            raise InputError(
                "A Bayesian search chooses its configurations itself.",
                where=f"bayesian={self.bayesian}, {ways[0]}={getattr(self, ways[0])}",
                expected="one way to choose configurations",
                todo=f"leave bayesian or {ways[0]} out",
            )
        if len(set(self.models)) < len(self.models) or not self.models:
            raise InputError(
                "These are not the models of a sweep.",
                where=f"models: {', '.join(self.models) or 'none'}",
                expected="at least one model, each once",
                todo="correct the models",
            )

    def configurations(self) -> list[Configuration]:
        """All configurations in their order.

        Raises
        ------
        InputError
            If there is nothing to compare, or a model has no such parameter.
        """
        self._check_names()
        varied = combinations(self.grid, self.random, self.base.seed)
        pairs = [(model, values) for model in self.models for values in varied]
        if len(pairs) * self.seeds * self.folds < 2:
            raise InputError(
                "There is nothing to compare.",
                where="an empty grid, one model, one seed and one fold",
                expected="at least two trainings",
                todo="vary something (--grid latent_dim=5,25,100), or ask for several --seeds or --folds",
            )
        every = range(len(pairs))
        if self.limit is not None and self.limit < len(pairs):
            every = [i * len(pairs) // self.limit for i in range(self.limit)]
        return [Configuration(number + 1, *pairs[i]) for number, i in enumerate(every)]

    def _check_names(self) -> None:
        for model in self.models:
            estimator, _ = choose_model(replace(self.base, model=model))
            check_names(self.grid, self.base.parameters, type(estimator), model)

    def to_check(self) -> list[Configuration]:
        """Configurations with every value that may be trained, and the ends of every range that is searched."""
        if self.bayesian is None:
            return self.configurations()
        self._check_names()
        if not self.grid:
            raise InputError(
                "There is nothing to choose from.", where="an empty grid", expected="something to vary", todo="name it"
            )
        ends = {n: [v.low, v.high] if isinstance(v, Span) else v for n, v in self.grid.items()}
        varied = combinations(ends, MAX_CHECKED, self.base.seed)
        return [Configuration(i + 1, m, v) for i, (m, v) in enumerate((m, v) for m in self.models for v in varied)]

    def estimator(self, configuration: Configuration, seed: int) -> tuple[BaseAutoencoder, str]:
        """The untrained estimator of a configuration, and the scaling that it wants."""
        parameters = {**self.base.parameters, **configuration.varied}
        plain = {name: value for name, value in parameters.items() if value is not None}
        estimator, scaling = choose_model(replace(self.base, model=configuration.model, parameters=plain, seed=seed))
        return estimator.set_params(**dict.fromkeys(parameters.keys() - plain.keys())), scaling

    def to_dict(self) -> dict[str, Any]:
        """As a table for TOML, which has no word for nothing."""
        table = self.base.to_dict()
        del table["model"]
        grid = {
            name: asdict(values) if isinstance(values, Span) else ["none" if v is None else v for v in values]
            for name, values in self.grid.items()
        }
        counts = {n: getattr(self, n) for n in COUNTS if getattr(self, n) is not None}
        kept = {n: getattr(self, n) for n in ("keep_models", "named") if getattr(self, n)}
        return {**table, "models": list(self.models), **counts, **kept, "grid": grid}

    @classmethod
    def from_dict(cls, table: dict[str, Any], where: str) -> SweepRequest:
        """From a table read from `where`.

        Raises
        ------
        InputError
            If it holds a key that no sweep has, or a value of another kind than the key's.
        """
        names = {f.name for f in fields(cls)} - {"base"}
        own = checked(cls, {n: table[n] for n in table if n in names}, where, "a sweep")
        rest = {n: table[n] for n in table if n not in names}
        grid = {}
        for name, values in own.pop("grid", {}).items():
            is_span = isinstance(values, dict) and set(values) == {f.name for f in fields(Span)}
            if not is_span and not isinstance(values, list):
                raise InputError(
                    f"This is nothing that '{name}' can be varied over.",
                    where=f"{where}: {name} = {values!r}",
                    expected="a list of values, or a table with low and high",
                    todo="correct that line",
                )
            grid[name] = Span(**values) if is_span else [None if v == "none" else v for v in values]
        return cls(RunConfig.from_dict(rest, where), tuple(own.pop("models", ())), grid, **own)
