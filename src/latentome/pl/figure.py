"""The figure class of the package: a matplotlib Figure that stays in the house style whoever saves it."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from latentome.pl.style import house_style


class HouseFigure(Figure):
    """A matplotlib figure that is drawn and saved under the house style.

    matplotlib reads some settings, such as the resolution and how fonts are embedded, only when a figure is saved,
    and makes its ticks only when it is drawn. Both happen in the user's code, outside the function that made the
    figure, so the figure itself carries the style along.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._house_style = house_style()
        super().__init__(*args, **kwargs)

    def draw(self, renderer: Any) -> None:
        """Draw under the house style; parameters as in ``matplotlib.figure.Figure.draw``."""
        with matplotlib.rc_context(self._house_style):
            super().draw(renderer)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Show the figure in a notebook, once: no window of pyplot knows it, which would show it a second time."""
        stream, dots = io.BytesIO(), 192  # two dots for one of the page, for screens that have them
        self.savefig(stream, format="png", dpi=dots)
        size = stream.getvalue()[16:24]
        wide, high = (int.from_bytes(part, "big") for part in (size[:4], size[4:]))
        return stream.getvalue(), {"width": wide * 96 // dots, "height": high * 96 // dots}

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """Save under the house style; parameters as in ``matplotlib.figure.Figure.savefig``."""
        with matplotlib.rc_context(self._house_style):
            super().savefig(fname, **kwargs)
