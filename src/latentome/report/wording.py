"""How numbers, durations and lists are put into words."""

from __future__ import annotations

import math
from typing import Any

#: What the families are, in words that stand within a sentence.
FAMILIES = {
    "nonlinear-pca": "non-linear PCA",
    "linear": "linear autoencoder",
    "deep": "deep autoencoder",
    "adage": "denoising autoencoder (ADAGE)",
    "vae": "variational autoencoder (VAE)",
}


#: Shorter, where a family is known by a shorter word.
SHORT = {**FAMILIES, "adage": "denoising autoencoder", "vae": "VAE"}


def the_model(sources: Any) -> str:
    """Name the model of a report within a sentence."""
    family = sources.manifest.text("model", "family")
    return f"the {SHORT[family]}" if family in SHORT else sources.metrics.methods[0]


def model_words(model: dict[str, Any]) -> str:
    """Call a model by what it is, and by the name of its preset where it has one."""
    name, family = str(model.get("name", "")), str(model.get("family", ""))
    words = FAMILIES.get(family, str(model.get("title") or name or "model"))
    return words if name in ("", family) or words == name else f"{words}, as in {name},"


def number(value: Any) -> str:
    """Write a number as people read it: integers with thousands separated, others with three significant digits."""
    if value is None or isinstance(value, str | bool):
        return "\N{EN DASH}" if value is None else str(value)
    if isinstance(value, int):
        text = f"{value:,.0f}"
    elif isinstance(value, float):
        if not math.isfinite(value):
            return "\N{EN DASH}"
        size = abs(value)
        large = f"{value:,.0f}" if 1000 <= size < 1e9 else f"{value:.3g}"
        text = f"{value:#.3g}".rstrip(".") if 1e-4 <= size < 1000 or value == 0 else large
    else:
        return str(value)
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text


def parse(text: str | None) -> float:
    """Read a number from a table's field; NaN if there is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def duration(seconds: Any) -> str:
    """Write a duration in seconds, minutes or hours."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return number(seconds)
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def strings(values: Any) -> list[str]:
    """Give a list of texts, whether one, several or none are recorded."""
    if values is None or values == "":
        return []
    return [str(value) for value in values] if isinstance(values, list | tuple) else [str(values)]


def several(count: Any, one: str, many: str | None = None) -> str:
    """Write a count with its noun in the right number."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def plain(value: Any) -> str:
    """Write a parameter's value: lists with commas, true and false and nothing as words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{key} {plain(item)}" for key, item in value.items()) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
