"""The layers of a model, as boxes with their widths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from latentome.errors import InputError
from latentome.pl.inputs import shortened
from latentome.pl.style import DOUBLE, PALETTE, new_figure, styled, tones, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: From one lane to the next one below, inches.
LANE = 1.0


class Layer(NamedTuple):
    """A box: what is written in it, the part of the model it belongs to, and the boxes it follows."""

    name: str
    width: int
    activation: str
    part: str
    parents: tuple[int, ...]


@styled
def architecture(model: Any, title: str | None = None) -> Figure:
    """Draw the layers of a model from left to right, taller where they are wider, with what they are fed.

    Layers are those with a matrix of weights; what only shifts, scales, adds or drops stays out.

    Parameters
    ----------
    model
        A fitted estimator of this package, one of its models, or any Keras model of layers that are named in order
        (``Sequential`` or functional).
    title
        Heading; by default the name of the model and the number of its parameters.

    Returns
    -------
    A figure 7.2 inches wide. Heights go by the logarithm of the width.

    Raises
    ------
    InputError
        If the model has no such layers, or is not built yet.
    """
    model = getattr(model, "model_", model)
    layers = _layers(model)
    if title is None:
        count = model.count_params() - hasattr(model, "step")  # the number of steps done is no parameter
        title = f"{model.name.replace('_', ' ')}: {count:,} parameters"
    columns: list[int] = []
    for layer in layers:
        columns.append(1 + max((columns[i] for i in layer.parents), default=-1))
    lanes = _lanes(layers, columns)
    depth = LANE * max(lanes)
    below = depth + (0.8 if depth else 0.5)  # room for what is said of the boxes of lower lanes
    figure = new_figure(DOUBLE, 0.3 + 0.8 + below)
    axes = figure.add_axes((0.01, 0.0, 0.98, 1 - 0.3 / figure.get_figheight()))
    axes.set_axis_off()
    axes.set(xlim=(-0.5, max(columns) + 0.5), ylim=(-below, 0.8))
    figure.text(0.015, 1 - 0.08 / figure.get_figheight(), title, size=8, weight="bold", va="top")
    most = math.log(max(layer.width for layer in layers) + 1)
    heights = [0.18 + 0.67 * math.log(layer.width + 1) / most for layer in layers]
    room = DOUBLE / (max(columns) + 1)
    for i, layer in enumerate(layers):
        place = (columns[i], -LANE * lanes[i])
        for parent in layer.parents:
            _arrow(axes, (columns[parent], -LANE * lanes[parent]), place)
        _box(axes, place, heights[i], layer, room, above=lanes[i] == 0)
    return figure


def _lanes(layers: list[Layer], columns: list[int]) -> list[int]:
    """Put the boxes of a column below one another, first the one with the longest way to the end.

    So the longest way is straight, and no arrow of a shorter one crosses its boxes.
    """
    ways = [0] * len(layers)
    for i in reversed(range(len(layers))):
        for parent in layers[i].parents:
            ways[parent] = max(ways[parent], ways[i] + 1)
    order = sorted(range(len(layers)), key=lambda i: (columns[i], -ways[i], i))
    lanes = [0] * len(layers)
    for before, i in zip(order, order[1:], strict=False):
        lanes[i] = lanes[before] + 1 if columns[before] == columns[i] else 0
    return lanes


def _box(axes: Axes, place: tuple[float, float], height: float, layer: Layer, room: float, *, above: bool) -> None:
    """Draw one box, and what it is on the side that the arrows between the lanes leave free."""
    from matplotlib.patches import FancyBboxPatch

    color = {"encoder": visible(PALETTE[0]), "code": visible(PALETTE[5]), "decoder": visible(PALETTE[2])}
    wide, (x, y) = 0.3, place
    shape = "round,pad=0,rounding_size=0.05"
    look = {"facecolor": color.get(layer.part, tones().quiet), "linewidth": 0, "zorder": 3}
    axes.add_patch(FancyBboxPatch((x - wide / 2, y - height / 2), wide, height, boxstyle=shape, **look))
    size = 6.0 if room > 0.75 else 5.0
    letters = max(4, int(room / (0.0105 * size)))
    lines = [shortened(layer.name.replace("_", " "), letters), f"{layer.width:,}"]
    lines += [shortened(layer.activation, letters)] if layer.activation not in ("", "linear") else []
    side = (y + height / 2 + 0.05, "bottom") if above else (y - height / 2 - 0.05, "top")
    look = {"size": size, "ha": "center", "va": side[1], "linespacing": 1.15, "zorder": 4}
    axes.text(x, side[0], "\n".join(lines), **look)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Lead from one box to another, level at both ends, and past the boxes in between before it bends."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    a, b = (start[0] + 0.17, start[1]), (end[0] - 0.17, end[1])
    knee = (max(a[0], end[0] - 1 + 0.17), a[1])
    bend = 0.45 * (b[0] - knee[0])
    path = Path([a, knee, (knee[0] + bend, a[1]), (b[0] - bend, b[1]), b], [1, 2, 4, 4, 4])
    look = {"color": tones().faint, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=6, zorder=2, **look))


def _layers(model: Any) -> list[Layer]:
    """The boxes of a model, each after those it follows."""
    layers: list[Layer] = []
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        ends = _read(model.encoder, "encoder", layers, ())
        width = int(model.encoder.outputs[0].shape[-1])
        if ends == (len(layers) - 1,) and layers[-1].width == width:
            layers[-1] = layers[-1]._replace(part="code")  # the last layer gives the code itself
        else:
            layers.append(Layer("code", width, "", "code", ends))
        ends = _read(model.decoder, "decoder", layers, (len(layers) - 1,))
        if len(ends) > 1:  # added up, which is no layer with weights
            layers.append(Layer("reconstruction", layers[ends[0]].width, "", "decoder", ends))
    elif getattr(model, "built", False):
        _read(model, "encoder", layers, ())
    if len(layers) < 2:
        raise InputError(
            "The model has no layers to draw.",
            where=f"{type(model).__name__} {getattr(model, 'name', '')}".strip(),
            expected="a fitted estimator, or a Keras model that is built and has layers with weights",
            todo="Fit it first, or give its encoder or decoder.",
        )
    return layers


def _read(function: Any, part: str, layers: list[Layer], source: tuple[int, ...]) -> tuple[int, ...]:
    """Append the boxes of one function of a model; give those that its output comes from.

    Its inputs are boxes of their own, but `source` says which boxes the first one comes from.
    """
    import keras

    first = function.inputs[0]._keras_history[0]
    known: dict[tuple[int, int], tuple[int, ...]] = {}

    def boxes_of(tensor: Any) -> tuple[int, ...]:
        operation, call, _ = tensor._keras_history  # how Keras walks its own graphs
        key = (id(operation), call)
        if key not in known:
            fed = [boxes_of(t) for t in keras.tree.flatten(operation._inbound_nodes[call].input_tensors)]
            boxes = tuple(dict.fromkeys(box for some in fed for box in some))
            if operation is first and source:
                boxes = source
            elif not fed or any(len(weight.shape) >= 2 for weight in getattr(operation, "weights", ())):
                activation = getattr(getattr(operation, "activation", None), "__name__", "")
                width = int(tensor.shape[-1])
                layers.append(Layer(operation.name, width, activation, part if fed else "input", boxes))
                boxes = (len(layers) - 1,)
            known[key] = boxes
        return known[key]

    return boxes_of(function.outputs[0])
