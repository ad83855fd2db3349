"""The data of a sweep: a scaled matrix for each fold, prepared once, read by every process that trains."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from latentome import io
from latentome.errors import InputError
from latentome.pp import Preprocessing, fit_preprocessing, fold_rows
from latentome.pp.split import group_codes
from latentome.workflow.choose import choose_model
from latentome.workflow.prepare import fit_options, hold_out, how_to_cut, read_labelled

if TYPE_CHECKING:
    from latentome.sweep.request import SweepRequest
    from latentome.workflow.reporter import Reporter


@dataclass(frozen=True)
class Fold:
    """One way to split the samples: samples x genes, float32, scaled by what the rows of `training` say."""

    x: np.ndarray
    training: np.ndarray


@dataclass(frozen=True)
class Store:
    """The data of a sweep: its folds, and of each sample a class as text, empty where there is none, and a group.

    Labels and groups are None where nobody asked for them. What was done to each fold and where the data are from is
    not kept on disk.
    """

    folds: list[Fold]
    labels: np.ndarray | None
    groups: np.ndarray | None = None
    preprocessing: list[Preprocessing] = field(default_factory=list)
    source: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write what a worker needs, in plain arrays that it can map."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, fold in enumerate(self.folds):
            for name, array in (("x", fold.x), ("training", fold.training)):
                with io.write_atomic(folder / f"{name}-{number}.npy", size=array.nbytes) as stream:
                    _write(stream, np.ascontiguousarray(array))
        labels = None if self.labels is None else [str(label) for label in self.labels]
        groups = None if self.groups is None else self.groups.tolist()
        io.write_json(folder / "store.json", {"folds": len(self.folds), "labels": labels, "groups": groups})

    @classmethod
    def load(cls, folder: Path) -> Store:
        """Read what `save` wrote; the matrices are mapped, not copied."""
        about = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        folds = [
            Fold(np.load(folder / f"x-{i}.npy", mmap_mode="r"), np.load(folder / f"training-{i}.npy"))
            for i in range(about["folds"])
        ]
        return cls(folds, *(None if about[name] is None else np.array(about[name]) for name in ("labels", "groups")))


def _write(stream: BinaryIO, array: np.ndarray) -> None:
    """As `np.save`, which tells of a full disk in a way of its own: it writes past the stream."""
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
    stream.write(array.reshape(-1).view(np.uint8).data)


def prepare_store(request: SweepRequest, reporter: Reporter | None = None) -> Store:
    """Read, label and split; each fold's preprocessing sees the training rows of that fold alone.

    One fold is split as `latentome.run` splits, with the same seed; folds, too, keep groups together and have their
    share of the strata.

    Raises
    ------
    InputError
        If the data cannot be used, or the models want different scalings: their errors could not be compared.
    """
    scaling = _scaling(request)
    base = request.base
    raw, column, notes = read_labelled(base, reporter)
    values = None if column is None else raw.obs[column]
    # As `latentome.run` reads the labels, so that both split alike.
    texts = None if values is None else values.astype(str).to_numpy()
    cut, groups = how_to_cut(raw, column, base)
    if request.folds == 1:
        held_out = [hold_out(raw, column, base)]
    else:
        rng = np.random.default_rng([base.seed, 0])
        dealt = fold_rows(raw.n_obs, request.folds, cut, rng, equal=True, groups=groups)
        held_out = [dealt == i for i in range(request.folds)]
    folds, fitted = [], []
    for test in held_out:
        preprocessing = fit_preprocessing(raw[~test], **fit_options(base, scaling))
        folds.append(Fold(preprocessing.apply(raw)[0], ~test))
        fitted.append(preprocessing)
    labels = None if values is None else np.where(values.isna(), "", texts).astype(str)
    codes = None if groups is None else group_codes(groups)
    return Store(folds, labels, codes, fitted, dict(raw.uns["source"]), [*notes, *fitted[0].notes])


def _scaling(request: SweepRequest) -> str:
    wanted = {model: choose_model(replace(request.base, model=model))[1] for model in request.models}
    if len(set(wanted.values())) > 1:
        raise InputError(
            "These models want different scalings, and errors on different scales cannot be compared.",
            where="; ".join(f"{model}: {scaling}" for model, scaling in wanted.items()),
            expected="one scaling for all",
            todo="add --scaling zero-one, say, or sweep the models one by one",
        )
    return next(iter(wanted.values()))
