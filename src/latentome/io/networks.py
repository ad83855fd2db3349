"""Weights of the published networks, from the files that their authors published: Theano's ADAGE, Keras 2's Tybalt."""

from __future__ import annotations

import os
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentome.errors import InputError
from latentome.io.files import check_exists, check_hdf5
from latentome.io.unpack import lines

if TYPE_CHECKING:
    import h5py

#: The lines that head the parts of an ADAGE network file, after the first one, ``layer 1``.
_PARTS = ("weight matrix", "hidden bias vector", "visible bias vector")


class AdageNetwork(NamedTuple):
    """A denoising autoencoder with tied weights, as float32.

    Parameters
    ----------
    weights
        Features x components.
    hidden_bias
        One for each component.
    visible_bias
        One for each feature.
    """

    weights: np.ndarray
    hidden_bias: np.ndarray
    visible_bias: np.ndarray


class DenseLayer(NamedTuple):
    """A dense layer, and the batch normalisation that follows it where one does, as float32.

    Parameters
    ----------
    kernel
        Inputs x units.
    bias
        One for each unit.
    normalisation
        Scale, shift, moving mean and moving variance, each one for each unit; or None.
    """

    kernel: np.ndarray
    bias: np.ndarray
    normalisation: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None


class TybaltNetwork(NamedTuple):
    """The layers of a Tybalt encoder, up to the mean of its code, and of its decoder, each from the input on."""

    encoder: list[DenseLayer]
    decoder: list[DenseLayer]


def read_adage_network(path: str | os.PathLike[str]) -> AdageNetwork:
    """Read the network file of the ADAGE of 2016 (``..._network_SdA.txt``), of any size.

    A line ``layer 1``; ``weight matrix`` and a line for each gene with tab-separated weights, one for each node;
    ``hidden bias vector`` and ``visible bias vector``, each with one number a line.

    Parameters
    ----------
    path
        The file, plain or packed.

    Returns
    -------
    The weights and both biases.

    Raises
    ------
    InputError
        If the file is missing, of another format, cut off, holds anything but finite numbers, stacks several layers,
        or its parts do not fit each other.
    """
    path = Path(path).expanduser()
    check_exists(path)
    with closing(lines(path)) as content:
        parts = _adage_parts(path, content)
    weights, hidden, visible = (_block(path, name, *parts[name]) for name in _PARTS)
    features, components = weights.shape
    for name, vector, wanted in (
        ("hidden bias vector", hidden, components),
        ("visible bias vector", visible, features),
    ):
        if vector.shape != (wanted, 1):
            raise _unfit(
                path,
                f"The {name} of {path.name} does not fit its weights",
                f"{vector.shape[0]} lines of {vector.shape[1]} below '{name}'",
                f"{wanted} lines of one number, for weights of {features} genes x {components} nodes",
            )
    return AdageNetwork(weights, hidden[:, 0], visible[:, 0])


def _adage_parts(path: Path, content) -> dict[str, tuple[int, list[str]]]:
    """The lines below each heading, with the number of the first of them."""
    parts: dict[str, tuple[int, list[str]]] = {}
    wanted = ["layer 1", *_PARTS]
    for number, line in enumerate(content, start=1):
        text = line.strip()
        if text[:1].isalpha() and "\t" not in text:
            if not wanted or text != wanted[0]:
                expected = f"'{wanted[0]}'" if wanted else "the end of the file: a network of one layer"
                raise _unfit(
                    path, f"{path.name} is not an ADAGE network of one layer", f"line {number}: '{text[:60]}'", expected
                )
            parts[wanted.pop(0)] = (number + 1, [])
        elif not parts:
            raise _unfit(
                path, f"{path.name} is not an ADAGE network", f"line {number}: '{text[:60]}'", "a first line 'layer 1'"
            )
        elif text:
            list(parts.values())[-1][1].append(text)
    if wanted:
        last = list(parts)[-1] if parts else "nothing"
        raise _unfit(
            path, f"{path.name} ends too soon", f"the end of the file, after '{last}'", f"a line '{wanted[0]}'"
        )
    return parts


def _block(path: Path, name: str, first: int, rows: list[str]) -> np.ndarray:
    """A block of numbers, float32; a line that holds something else is named."""
    width = len(rows[0].split("\t")) if rows else 0
    values = np.empty((len(rows), width), np.float32)
    for i, row in enumerate(rows):
        fields = row.split("\t")
        wrong = [field for field in fields if not _is_number(field)]
        if wrong or len(fields) != width:
            where = f"line {first + i}, below '{name}': " + (f"'{wrong[0]}'" if wrong else f"{len(fields)} fields")
            raise _unfit(path, f"{path.name} is damaged", where, f"{width} finite numbers, separated by tabs")
        values[i] = fields
    if not rows:
        raise _unfit(path, f"{path.name} is cut off", f"line {first}: nothing below '{name}'", "numbers")
    return values


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(np.float32(text)))
    except ValueError:
        return False


def read_tybalt_hdf5(encoder: str | os.PathLike[str], decoder: str | os.PathLike[str]) -> TybaltNetwork:
    """Read the encoder and the decoder of a Tybalt model as Keras 2 saved them, of any sizes and depths.

    The files hold whole models (``encoder.save``) or weights alone (``save_weights``). The encoder ends with the mean
    of the code: its head of the log-variance was not saved. Nothing in the files is executed.

    Parameters
    ----------
    encoder, decoder
        The files, such as ``encoder_onehidden_vae.hdf5`` and ``decoder_onehidden_vae.hdf5``.

    Returns
    -------
    The layers of both.

    Raises
    ------
    InputError
        If a file is missing, damaged, or no such model, or the two do not fit each other.
    """
    paths = [Path(path).expanduser() for path in (encoder, decoder)]
    into, out = (_keras_layers(path) for path in paths)
    if out[0].kernel.shape[0] != into[-1].kernel.shape[1] or out[-1].kernel.shape[1] != into[0].kernel.shape[0]:
        raise _unfit(
            paths[1],
            "The decoder does not fit the encoder",
            f"{out[0].kernel.shape[0]} components to {out[-1].kernel.shape[1]} genes",
            f"{into[-1].kernel.shape[1]} components to {into[0].kernel.shape[0]} genes, as in {paths[0]}",
        )
    return TybaltNetwork(into, out)


def _keras_layers(path: Path) -> list[DenseLayer]:
    import h5py

    check_exists(path)
    check_hdf5(path)
    try:
        with h5py.File(path, "r") as file:
            weights = _keras_weights(file.get("model_weights", file))
    except (OSError, KeyError, RuntimeError) as error:
        raise _unfit(
            path, f"{path.name} cannot be read as a Keras 2 model", str(error).splitlines()[0][:200], _KERAS
        ) from error
    layers: list[DenseLayer] = []
    for kinds, arrays in weights:
        if kinds == ("kernel", "bias") and arrays[0].ndim == 2 and arrays[1].shape == arrays[0].shape[1:]:
            layers.append(DenseLayer(*arrays, None))
        elif kinds == _NORMALISATION and layers and {a.shape for a in arrays} == {layers[-1].bias.shape}:
            layers[-1] = layers[-1]._replace(normalisation=arrays)
        else:
            shapes = ", ".join(f"{kind} {array.shape}" for kind, array in zip(kinds, arrays, strict=True))
            raise _unfit(path, f"{path.name} has a layer that Tybalt has not", shapes, _KERAS)
    ends = [layer.kernel.shape for layer in layers]
    if not layers or any(left[1] != right[0] for left, right in pairwise(ends)):
        raise _unfit(path, f"The layers of {path.name} do not fit each other", f"kernels {ends}", _KERAS)
    return layers


_NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")
_KERAS = "dense layers, each with a kernel and a bias, some followed by a batch normalisation"


def _keras_weights(group: h5py.Group) -> list[tuple[tuple[str, ...], tuple[np.ndarray, ...]]]:
    """The weights of each layer in their order: what they are and their values. A layer may nest others."""
    found = []
    for layer in _texts(group.attrs["layer_names"]):
        names = _texts(group[layer].attrs["weight_names"])
        kinds = [name.rsplit("/", 1)[-1].split(":")[0] for name in names]
        values = [np.asarray(group[layer][name], np.float32) for name in names]
        starts = [i for i, kind in enumerate(kinds) if kind in ("kernel", "gamma") or i == 0]
        for start, stop in pairwise([*starts, len(kinds)]):
            found.append((tuple(kinds[start:stop]), tuple(values[start:stop])))
    return found


def _texts(names) -> list[str]:
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names]


def _unfit(path: Path, what: str, where: str, expected: str) -> InputError:
    return InputError(
        f"{what}.",
        where=f"{path}: {where}",
        expected=expected,
        todo="fetch the file again from where it was published, and check that it is the right one",
    )
