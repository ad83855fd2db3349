"""Saving and loading a trained estimator, in plain formats, each file with its checksum."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from latentome._version import __version__
from latentome.errors import InputError, check_known
from latentome.estimators.base import BaseAutoencoder
from latentome.estimators.deep import DeepAutoencoder
from latentome.estimators.denoising import DenoisingAutoencoder
from latentome.estimators.linear import LinearAutoencoder
from latentome.estimators.nonlinear_pca import NonlinearPCA
from latentome.estimators.variational import VariationalAutoencoder
from latentome.estimators.vectors import make_vectors
from latentome.io import check_room, guard_writing
from latentome.io.files import sha256
from latentome.models import Autoencoder
from latentome.pp import Preprocessing
from latentome.training.cache import keep_compiled_programs

#: Version of the layout of a saved model. Raised when the layout changes; older ones stay readable.
#: 2 added checksums, test vectors and the preprocessing.
SCHEMA = 3
#: The files of a saved model; the last one is written last and makes it complete.
FILES = ("model.keras", "encoder.weights.h5", "decoder.weights.h5", "history.tsv", "estimator.json")
#: Rows of input with what the model made of them, since schema 2.
VECTORS = "test-vectors.npz"
#: What new samples need, beside a model that was saved with it.
PREPROCESSING = "preprocessing.json"
#: How far a model may be from its test vectors when it is loaded, as a share of their largest absolute value. Machines
#: sum in different orders and differ in the last bits of their products, of which bfloat16 has eight.
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.03}

# What is raised by reading content that is not what was written.
_WRONG = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, ImportError)

ESTIMATORS: dict[str, type[BaseAutoencoder]] = {
    kind.__name__: kind
    for kind in (NonlinearPCA, LinearAutoencoder, DeepAutoencoder, DenoisingAutoencoder, VariationalAutoencoder)
}


def save_model(estimator: BaseAutoencoder, folder: Path, preprocessing: Preprocessing | None = None) -> Path:
    """Write a trained estimator into `folder`; each file is written aside and renamed, ``estimator.json`` last."""
    if ESTIMATORS.get(type(estimator).__name__) is not type(estimator):
        raise InputError(
            "An estimator of a class of your own cannot be saved: nobody could load it.",
            where=f"{type(estimator).__module__}.{type(estimator).__qualname__}",
            expected=f"one of {', '.join(ESTIMATORS)}",
            todo="save its Keras models (estimator.models_[0].save('model.keras')), or pickle the estimator",
        )
    names = getattr(estimator, "feature_names_in_", None)
    preprocessing = preprocessing or getattr(estimator, "preprocessing_", None)
    if preprocessing is not None and (names is None or preprocessing.genes != [str(name) for name in names]):
        raise InputError(
            "This preprocessing does not belong to the model.",
            where=f"a preprocessing for {len(preprocessing.genes)} genes, a model of {estimator.n_features_in_}",
            expected="the genes that the model was trained on, by name and in its order",
            todo="train the model on a table with gene names that this preprocessing made",
        )
    with guard_writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # Bytes of float32, of the weights and the optimizer's two copies, and once more for encoder and decoder: HDF5 does
    # not survive a full disk.
    check_room(folder / FILES[0], 4 * 4 * sum(model.count_params() for model in estimator.models_))
    members = [_member(i) for i in range(len(estimator.models_))]
    vectors = make_vectors(estimator.models_, estimator.n_features_in_)
    with guard_writing(folder / FILES[0]), tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as aside:
        for name, model in zip(members, estimator.models_, strict=True):
            model.save(f"{aside}/{name}")
        estimator.encoder_.save_weights(f"{aside}/encoder.weights.h5")
        estimator.decoder_.save_weights(f"{aside}/decoder.weights.h5")
        estimator.history_.to_csv(f"{aside}/history.tsv", sep="\t", index=False)
        np.savez_compressed(f"{aside}/{VECTORS}", **vectors)
        written = [*members[1:], VECTORS, *FILES[:-1]]
        if preprocessing is not None:
            preprocessing.save(Path(aside, PREPROCESSING))
            written.append(PREPROCESSING)
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
            "members": len(members),
            "files": {name: sha256(Path(aside, name)) for name in written},
        }
        if getattr(estimator, "categories_", None) is not None:
            description["categories"] = estimator.categories_.tolist()
        description["sha256"] = _own_sha256(description)
        Path(aside, FILES[-1]).write_text(json.dumps(description, indent=1), encoding="utf-8")
        # Half of an earlier model and half of this one are none; and members of an earlier, larger ensemble would be
        # taken for this one's.
        for old in [folder / FILES[-1], *folder.glob(_member("*"))]:
            old.unlink(missing_ok=True)
        for name in [*written, FILES[-1]]:
            os.replace(f"{aside}/{name}", folder / name)
    return folder


def _own_sha256(description: dict[str, Any]) -> str:
    """The checksum of the description itself, without that checksum."""
    content = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
        elif isinstance(value, np.ndarray | tuple | list):
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
    The trained estimator. It encodes to the very numbers that it encoded to when it was saved. One that came from a run
    has the attribute ``preprocessing_``: the genes, transform and scaling that new samples need.

    Raises
    ------
    InputError
        If the folder is no saved model, lacks a file, was written by a newer version, holds a file that was cut off or
        altered since, or if the model computes something else here than where it was saved.
    """
    folder = Path(folder).expanduser()
    description = _read_description(folder)
    keep_compiled_programs()
    with _content_of(folder / FILES[-1]):
        estimator = ESTIMATORS[description["estimator"]](**_parameters(description["parameters"]))
        estimator.best_epoch_ = description.get("best_epoch")
        estimator.seed_, estimator.folder_ = description["seed"], folder
        estimator.n_features_in_ = int(description["n_features"])
        if description["features"] is not None:
            estimator.feature_names_in_ = np.array(description["features"], dtype=object)
            if len(estimator.feature_names_in_) != estimator.n_features_in_:
                raise ValueError(f"{len(estimator.feature_names_in_)} names of {estimator.n_features_in_} features")
        if "categories" in description:
            estimator.categories_ = np.array(description["categories"], dtype=str)
        elif estimator.family == "vae":  # as a fit without a covariate leaves it
            estimator.categories_ = None
        estimator.training_rows_ = np.array(description["training_rows"], dtype=np.int64)
        estimator.validation_rows_ = np.array(description["validation_rows"], dtype=np.int64)
    with _content_of(folder / "history.tsv"):
        # Read as text and converted by NumPy, which is exact: pandas' own parser can miss the last bit of a double.
        history = pd.read_csv(folder / "history.tsv", sep="\t", dtype=str).astype(np.float64)
        numbers = [name for name in ("epoch", "member") if name in history]
        estimator.history_ = history.astype(dict.fromkeys(numbers, np.int64))
        estimator.n_iter_ = int(history["epoch"].max()) if len(history) else 0  # none of published weights
    estimator.models_ = [_read_keras(folder / _member(i)) for i in range(description.get("members", 1))]
    with _content_of(folder / FILES[0]):
        # Of the models themselves: parameters may have been set to others since they were trained.
        estimator._n_features_out = sum(int(model.get_config()["n_components"]) for model in estimator.models_)
    if PREPROCESSING in description.get("files", {}):
        with _content_of(folder / PREPROCESSING):
            estimator.preprocessing_ = Preprocessing.load(folder / PREPROCESSING)
    if description["schema"] >= 2:
        with _content_of(folder / VECTORS):
            _check_vectors(estimator, folder / VECTORS)
    return estimator


@contextmanager
def _content_of(path: Path) -> Iterator[None]:
    """Refuse a file as altered whose content is not what `save` writes, be its checksum right or not."""
    try:
        yield
    except InputError:
        raise
    except (*_WRONG, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _altered(path, f"{type(error).__name__}: {error}") from error


def _check_vectors(estimator: BaseAutoencoder, path: Path) -> None:
    """Refuse a model that no longer computes what it computed when it was saved."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        expected = dict(kept)
    tolerance = TOLERANCE[estimator.precision]
    for name, now in make_vectors(estimator.models_, estimator.n_features_in_, expected["x"]).items():
        then = expected[name]
        same = now.shape == then.shape
        off = float(np.abs(now - then).max() / max(np.abs(then).max(), np.float32(1e-6))) if same else np.inf
        if not off <= tolerance:  # nor NaN
            raise InputError(
                "The model computes something else here than where it was saved.",
                where=f"{path.parent}: its {name} of the test rows are off by {off:.3g} of the largest of them",
                expected=f"at most {tolerance:g}",
                todo="install the versions of keras and jax that it was saved with (see manifest.json of a run), or "
                "train it again",
            )


def _parameters(kept: dict[str, Any]) -> dict[str, Any]:
    parameters = dict(kept)
    if isinstance(parameters.get("optimizer"), dict):
        parameters["optimizer"] = _read_optimizer(parameters["optimizer"])
    if isinstance(parameters.get("hidden"), list):
        parameters["hidden"] = tuple(parameters["hidden"])
    return parameters


def _read_optimizer(kept: dict[str, Any]) -> keras.optimizers.Optimizer:
    try:
        return keras.saving.deserialize_keras_object(kept, safe_mode=True)
    except _WRONG as error:
        raise InputError(
            "The optimizer of the saved model is not known here.",
            where=f"{kept.get('registered_name') or kept.get('class_name')}: {_first_line(error)}",
            expected="an optimizer and a schedule of Keras, or classes that are registered with it",
            todo="import the module that registers them (@keras.saving.register_keras_serializable()), and load again",
        ) from error


def _read_description(folder: Path) -> dict[str, Any]:
    _check_complete(folder, FILES)
    path = folder / FILES[-1]
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        schema = int(description["schema"])
    except _WRONG as error:  # ValueError: of JSON and UTF-8
        raise _altered(path, f"{type(error).__name__}: {error}") from error
    if schema > SCHEMA:
        raise InputError(
            "The model was saved by a newer version of latentome.",
            where=f"{path}, schema {schema}",
            expected=f"schema {SCHEMA} or older (this is latentome {__version__})",
            todo=f"install latentome {description.get('latentome')} or newer",
        )
    with _content_of(path):
        _check_description(folder, description)
    return description


def _check_description(folder: Path, description: dict[str, Any]) -> None:
    """Refuse a model with files that are missing or altered, or of an unknown kind."""
    path = folder / FILES[-1]
    if description["schema"] >= 2:
        if description.get("sha256") != _own_sha256(description):
            raise _altered(path, "its content does not have the checksum in it")
        _check_complete(folder, [*description["files"], VECTORS])
        for name, checksum in description["files"].items():
            if sha256(folder / name) != checksum:
                raise _altered(folder / name, f"{(folder / name).stat().st_size} bytes, another sha256 than when saved")
    members = description.get("members", 1)
    if members < 1:
        raise _altered(path, f"a model of {members} members")
    _check_complete(folder, [_member(i) for i in range(members)])
    check_known(
        description["estimator"],
        ESTIMATORS,
        f"The model is of an unknown kind '{description['estimator']}'.",
        where=str(path),
        todo="restore the file from where it was saved",
    )


def _altered(path: Path, found: str) -> InputError:
    return InputError(
        f"{path.name} of the saved model was cut off or altered.",
        where=f"{path}: {found}",
        expected="the file as it was written when the model was saved",
        todo="restore the file from where the model was saved, or train the model again",
    )


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
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        if not isinstance(model, Autoencoder):
            raise TypeError(f"a {type(model).__name__}, which is none of latentome's models")
        return model
    except (*_WRONG, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            "The saved model cannot be read.",
            where=f"{path} ({path.stat().st_size} bytes): {_first_line(error)}",
            expected="a file that Keras wrote when the model was saved",
            todo="restore the file, or train the model again",
        ) from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
