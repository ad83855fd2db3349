"""Saving and loading a trained estimator, in plain formats."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from latentome._version import __version__
from latentome.errors import InputError, nearest
from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.deep import DeepAutoencoder
from latentome.estimators.denoising import DenoisingAutoencoder
from latentome.estimators.linear import LinearAutoencoder
from latentome.estimators.nonlinear_pca import NonlinearPCA
from latentome.estimators.variational import VariationalAutoencoder

#: Version of the layout of a saved model. Raised when the layout changes; older ones stay readable.
SCHEMA = 1
#: The files of a saved model; the last one is written last and makes it complete.
FILES = ("model.keras", "encoder.weights.h5", "decoder.weights.h5", "history.tsv", "estimator.json")

ESTIMATORS: dict[str, type[BaseAutoencoder]] = {
    kind.__name__: kind
    for kind in (NonlinearPCA, LinearAutoencoder, DeepAutoencoder, DenoisingAutoencoder, VariationalAutoencoder)
}


def save_model(estimator: BaseAutoencoder, folder: Path) -> Path:
    """Write a trained estimator into `folder`; each file is written aside and renamed, ``estimator.json`` last."""
    folder.mkdir(parents=True, exist_ok=True)
    names = getattr(estimator, "feature_names_in_", None)
    description = {
        "schema": SCHEMA,
        "latentome": __version__,
        "estimator": type(estimator).__name__,
        "parameters": _plain(estimator.get_params(deep=False)),
        "seed": estimator.seed_,
        "n_features": estimator.n_features_in_,
        "features": None if names is None else [str(name) for name in names],
        "training_rows": estimator.training_rows_.tolist(),
        "validation_rows": estimator.validation_rows_.tolist(),
        "best_epoch": estimator.best_epoch_,
        "members": len(estimator.models_),
    }
    if getattr(estimator, "categories_", None) is not None:
        description["categories"] = estimator.categories_.tolist()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as aside:
        for i, model in enumerate(estimator.models_):
            model.save(f"{aside}/{_member(i)}")
        estimator.encoder_.save_weights(f"{aside}/encoder.weights.h5")
        estimator.decoder_.save_weights(f"{aside}/decoder.weights.h5")
        estimator.history_.to_csv(f"{aside}/history.tsv", sep="\t", index=False)
        Path(f"{aside}/estimator.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
        # Half of an earlier model and half of this one are none; and members of an earlier, larger ensemble would be
        # taken for this one's.
        for old in [folder / FILES[-1], *folder.glob(_member("*"))]:
            old.unlink(missing_ok=True)
        for name in [_member(i) for i in range(1, len(estimator.models_))] + list(FILES):
            os.replace(f"{aside}/{name}", folder / name)
    return folder


def _member(i: int | str) -> str:
    """The file of a member of an ensemble; the first one has the name of a single model."""
    return "model.keras" if i == 0 else f"model.member-{i}.keras"


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON can hold them: a Keras optimizer by its configuration, a random generator not at all."""
    plain = {}
    for name, value in parameters.items():
        if isinstance(value, keras.optimizers.Optimizer):
            value = keras.saving.serialize_keras_object(value)
        elif isinstance(value, np.generic):
            value = value.item()
        elif isinstance(value, np.ndarray | tuple):
            value = [int(v) for v in value]
        elif isinstance(value, np.random.RandomState):
            value = None  # the seed that was drawn from it is kept beside
        plain[name] = value
    return plain


def load_model(folder: str | Path) -> BaseAutoencoder:
    """Load an estimator that was saved with `save`, or that a run left in its folder.

    Parameters
    ----------
    folder
        The folder of the model.

    Returns
    -------
    The trained estimator. It encodes to the very numbers that it encoded to when it was saved.

    Raises
    ------
    InputError
        If the folder is no saved model, lacks a file, or was written by a newer version.
    """
    folder = Path(folder)
    description = _read_description(folder)
    estimator = ESTIMATORS[description["estimator"]](**_parameters(description["parameters"]))
    estimator.models_ = [_read_keras(folder / _member(i)) for i in range(description.get("members", 1))]
    # Read as text and converted by NumPy, which is exact: pandas' own parser can miss the last bit of a double.
    history = pd.read_csv(folder / "history.tsv", sep="\t", dtype=str).astype(np.float64)
    numbers = [name for name in ("epoch", "member") if name in history]
    estimator.history_ = history.astype(dict.fromkeys(numbers, np.int64))
    estimator.n_iter_ = int(estimator.history_["epoch"].max()) if len(history) else 0  # none of published weights
    estimator.best_epoch_ = description.get("best_epoch")
    estimator.seed_ = description["seed"]
    estimator.n_features_in_ = description["n_features"]
    if description["features"] is not None:
        estimator.feature_names_in_ = np.array(description["features"], dtype=object)
    if "categories" in description:
        estimator.categories_ = np.array(description["categories"], dtype=str)
    estimator.training_rows_ = np.array(description["training_rows"], dtype=np.int64)
    estimator.validation_rows_ = np.array(description["validation_rows"], dtype=np.int64)
    estimator._n_features_out = estimator.n_components * estimator.members
    return estimator


def _parameters(kept: dict[str, Any]) -> dict[str, Any]:
    parameters = dict(kept)
    if isinstance(parameters.get("optimizer"), dict):
        parameters["optimizer"] = keras.saving.deserialize_keras_object(parameters["optimizer"], safe_mode=True)
    if isinstance(parameters.get("hidden"), list):
        parameters["hidden"] = tuple(parameters["hidden"])
    return parameters


def _read_description(folder: Path) -> dict[str, Any]:
    _check_complete(folder, FILES)
    description = json.loads((folder / "estimator.json").read_text(encoding="utf-8"))
    if description.get("schema", SCHEMA + 1) > SCHEMA:
        raise InputError(
            "The model was saved by a newer version of latentome.",
            where=f"{folder / 'estimator.json'}, schema {description.get('schema')}",
            expected=f"schema {SCHEMA} or older (this is latentome {__version__})",
            todo=f"install latentome {description.get('latentome')} or newer",
        )
    _check_complete(folder, [_member(i) for i in range(description.get("members", 1))])
    if description["estimator"] not in ESTIMATORS:
        raise InputError(
            f"The model is of an unknown kind '{description['estimator']}'.",
            where=str(folder / "estimator.json"),
            expected=nearest(description["estimator"], ESTIMATORS),
            todo="restore the file from where it was saved",
        )
    return description


def _check_complete(folder: Path, names: Sequence[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(
            "This folder holds no complete model.",
            where=f"{folder}; missing: {', '.join(missing)}",
            expected=f"the files {', '.join(names)}",
            todo="give the folder that estimator.save or a finished run wrote",
        )


def _read_keras(path: Path) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise InputError(
            "The saved model cannot be read.",
            where=f"{path} ({path.stat().st_size} bytes): {str(error).splitlines()[0][:200]}",
            expected="a file that Keras wrote when the model was saved",
            todo="restore the file, or train the model again",
        ) from error
