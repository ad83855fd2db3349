"""What a trained estimator looks like in a notebook, below the diagram that scikit-learn draws of it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from latentome.io import html

if TYPE_CHECKING:
    from latentome.estimators.base import BaseAutoencoder


class Shown:
    """An estimator that shows what it has learned below scikit-learn's diagram of it."""

    @property
    def _repr_html_(self):
        plain = super()._repr_html_  # raises AttributeError where scikit-learn is set to show texts
        return lambda: plain() + fitted_face(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += fitted_face(self)
        return bundle


def fitted_face(model: BaseAutoencoder) -> str:
    """Tell what a trained estimator is: its sizes, its training with the loss, and how it did beside PCA."""
    if "models_" not in vars(model):
        return ""
    history = model.history_
    if "member" in history:
        history = history[history["member"] == 0]
    lines = {column: history[column].to_list() for column in ("loss", "val_loss") if column in history}
    return html.card(
        f"{type(model).__name__}, trained", html.facts(_facts(model)), html.curves(lines, "epoch"), _beside_pca(model)
    )


def _facts(model: BaseAutoencoder) -> list[tuple[str, Any]]:
    size = f"{model.n_components:,}"
    if model.members > 1:
        size += f" in each of {model.members} members; the curve is of the first"
    trained, held_out = len(model.training_rows_), len(model.validation_rows_)
    rows = [
        ("latent features", size),
        ("genes", f"{model.n_features_in_:,}"),
        ("samples", f"{trained:,} trained on, {held_out:,} for the validation"),
        ("epochs", f"{model.n_iter_:,}"),
    ]
    best = model.best_epoch_ if isinstance(model.best_epoch_, list) else [model.best_epoch_]
    if best[0] is not None:  # early stopping keeps it, for all members or for none
        kept = "best epoch, then as many on all samples" if model.second_round_ else "best epoch, kept"
        rows.append((kept, ", ".join(map(str, best))))
    weights = sum(one.count_params() - 1 for one in model.models_)  # without the step counter of the schedules
    return [*rows, ("weights", f"{weights:,}"), ("seed", str(model.seed_))]


def _beside_pca(model: BaseAutoencoder) -> str:
    """What the run says that the model was loaded from, if it has been evaluated."""
    path = None if getattr(model, "folder_", None) is None else model.folder_ / "metrics.json"
    if path is None or not path.is_file():
        return ""
    try:
        verdict = json.loads(path.read_text(encoding="utf-8"))["verdict"]
    except (ValueError, KeyError, TypeError):
        return html.sentences(
            [f"{path.name} of the run is damaged; latentome evaluate {shlex.quote(str(path.parent))} makes it again."]
        )
    return html.sentences(verdict)
