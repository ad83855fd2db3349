"""Two features of the data beside their reconstructions, as in the class example."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from latentome.errors import InputError, nearest
from latentome.pl.maps import MANY_POINTS
from latentome.pl.style import DOUBLE, SINGLE, literal, new_figure, opacity, styled, tones, visible

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

#: The colours of the class: what went in, and what came out.
BLUE, RED = "#1F4FD8", "#D7191C"


@styled
def reconstruction(
    data: np.ndarray,
    reconstructions: Mapping[str, np.ndarray],
    names: tuple[str, str] = ("x", "y"),
    title: str | None = None,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Draw the first two features of the data (blue) and of each reconstruction (red), one panel for each.

    Parameters
    ----------
    data
        What went in, shape (samples, features), two features or more.
    reconstructions
        Name of a model to what came out of it, each of the shape of `data`.
    names
        Names of the two features.
    title
        Heading of the whole figure; none by default.
    titles
        Heading of the panel of a model, such as one that tells its error; by default the model's name.

    Returns
    -------
    A figure 3.5 inches wide for one model, else 7.2; all panels share their limits and have equal scales on both axes.

    Raises
    ------
    InputError
        If there is no reconstruction, or one has another shape than the data.
    """
    outputs = _checked(data, reconstructions)
    columns = min(len(outputs), 3)
    rows = math.ceil(len(outputs) / columns)
    width = SINGLE if columns == 1 else DOUBLE
    figure = new_figure(width, rows * (width / columns + 0.12) + (0.55 if title else 0.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in panels[len(outputs) :]:
        axes.remove()
    for axes, (name, output) in zip(panels, outputs.items(), strict=False):
        _cloud(axes, data, color=visible(BLUE), label="input")
        _cloud(axes, output, color=visible(RED), label="reconstruction")
        _label(axes, (titles or {}).get(name, literal(name)), names)
    _share_limits(panels[: len(outputs)], [data, *outputs.values()])
    handles, labels = panels[0].get_legend_handles_labels()
    _opaque(figure.legend(handles, labels, loc="outside lower center", ncols=2, handletextpad=0.1, markerscale=1.5))
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure


@styled
def class3_panels(
    train: np.ndarray,
    reconstructions: Mapping[str, np.ndarray],
    titles: Sequence[str] | None = None,
    names: tuple[str, str] = ("x", "y"),
    data: np.ndarray | None = None,
) -> Figure:
    """Draw the class's figure: the training data, the shallow model beside PCA, and the deep model.

    Parameters
    ----------
    train
        The training data, shape (samples, features).
    reconstructions
        ``"model 1"``, ``"model 2"`` and, if there is one, ``"PCA"``, to what each gives back, shape (samples,
        features).
    titles
        Headings of the three panels, such as ones that tell the errors; by default what each panel shows.
    names
        Names of the two features.
    data
        What was reconstructed, drawn in blue behind the models' output; by default the training data.

    Returns
    -------
    A figure 7.2 inches wide; all panels share their limits and have equal scales on both axes.

    Raises
    ------
    InputError
        If a model is missing, a shape differs from the data's, or there are not three titles.
    """
    behind = train if data is None else data
    outputs = _checked(behind, reconstructions)
    lacking = [name for name in ("model 1", "model 2") if name not in outputs]
    if lacking or (titles is not None and len(titles) != 3):
        raise InputError(
            "The three panels cannot be filled.",
            where=f"reconstructions {', '.join(outputs)}; titles {titles!r}",
            expected="'model 1', 'model 2' and, if wished, 'PCA'; three titles or none. "
            + (nearest(lacking[0], outputs) if lacking else ""),
            todo="Name the reconstructions so, and give one title for each panel.",
        )
    shallow = "Model 1: linear, as PCA" if "PCA" in outputs else "Model 1: linear"
    headings = list(titles) if titles is not None else ["Training data", shallow, "Model 2: deep"]
    second_lines = 0.16 * max(heading.count("\n") for heading in headings)
    figure = new_figure(DOUBLE, DOUBLE / 3 + 0.6 + second_lines, layout="constrained")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    _cloud(panels[0], train, color=visible(BLUE), label="training data")
    for axes, name in zip(panels[1:], ("model 1", "model 2"), strict=True):
        _cloud(axes, behind, color=visible(BLUE), label="input")
        if name == "model 1" and "PCA" in outputs:
            _cloud(axes, outputs["PCA"], color=tones().baseline, label="PCA", open_=True)
        _cloud(axes, outputs[name], color=visible(RED), label=name)
    for axes, heading in zip(panels, headings, strict=True):
        _label(axes, heading, names)
        _key(axes)
    _share_limits(panels, [train, behind, *outputs.values()])
    return figure


def _checked(data: np.ndarray, reconstructions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Check that there is something to draw and that every shape agrees."""
    import numpy as np

    outputs = {str(name): np.asarray(output) for name, output in reconstructions.items()}
    shape = np.shape(data)
    wrong = {name: output.shape for name, output in outputs.items() if output.shape != shape}
    if outputs and not wrong and len(shape) == 2 and shape[1] >= 2:
        return outputs
    raise InputError(
        "The data and their reconstructions cannot be drawn together.",
        where=f"data of shape {shape}, reconstructions of shapes "
        + (", ".join(f"{name} {output.shape}" for name, output in outputs.items()) or "none"),
        expected="one or more reconstructions, each of the shape of the data, with two features or more",
        todo="Pass what the models' inverse_transform gives for these very samples.",
    )


def _cloud(axes: Axes, values: Any, *, color: str, label: str, open_: bool = False) -> None:
    """Draw the first two columns as points."""
    import numpy as np

    values = np.asarray(values)
    size = float(np.clip(9000 / max(len(values), 1), 1.5, 16))
    look: dict[str, Any] = {"facecolors": color, "linewidths": 0, "alpha": opacity(0.5)}
    if open_:
        look = {"facecolors": "none", "edgecolors": color, "linewidths": 0.5, "alpha": 0.9}
        size *= 2.2
    axes.scatter(values[:, 0], values[:, 1], s=size, label=label, rasterized=len(values) > MANY_POINTS, **look)


def _label(axes: Axes, heading: str, names: tuple[str, str]) -> None:
    """Head one panel and name its axes, the vertical one only at the left edge."""
    axes.set_title(heading)
    axes.set_xlabel(literal(names[0]))
    if axes.get_subplotspec().is_first_col():
        axes.set_ylabel(literal(names[1]))
    axes.set_aspect("equal")


def _share_limits(panels: Sequence[Axes], clouds: Sequence[Any]) -> None:
    """Give all panels the same square window, so that clouds can be compared between panels."""
    import numpy as np

    points = np.concatenate([np.asarray(cloud)[:, :2] for cloud in clouds])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, reach = (low + high) / 2, max(float((high - low).max()) / 2 * 1.05, 1e-9)
    for axes in panels:
        axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach))


def _key(axes: Axes) -> None:
    """Add the key of the clouds below their panel, where it covers no point."""
    look = {"handletextpad": 0.1, "borderpad": 0.0, "borderaxespad": 0.0, "columnspacing": 0.8, "markerscale": 1.5}
    axes.set_anchor("N")  # what equal scales leave free is then below, where the key stands
    _opaque(axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.19), ncols=3, **look))


def _opaque(key: Legend) -> None:
    """Show the colours of a key as they are, without what shines through."""
    for handle in key.legend_handles:
        handle.set_alpha(0.9)
