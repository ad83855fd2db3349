"""The figure class of the package: a matplotlib Figure that stays in the house style whoever saves it."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from latentome.pl.style import house_style

#: What matplotlib says of each character that no font has, whenever it draws it.
_MISSING = re.compile(r"Glyph (\d+) .*missing from")
#: The characters of which that was said.
_TOLD: set[str] = set()


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
        with matplotlib.rc_context(self._house_style), _missing_told_once():
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


@contextlib.contextmanager
def _missing_told_once() -> Iterator[None]:
    """Say once which characters no font has; one label is drawn, and measured, many times in many figures."""
    missing: dict[str, None] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("always", _MISSING.pattern, UserWarning)
        show = warnings.showwarning

        def collect(message: Warning | str, *where: Any, **how: Any) -> None:
            glyph = _MISSING.match(str(message))
            if glyph:
                missing[chr(int(glyph[1]))] = None
            else:
                show(message, *where, **how)

        warnings.showwarning = collect
        yield
    new = [character for character in missing if character not in _TOLD]
    if new:
        _TOLD.update(new)
        shown = " ".join(new[:10]) + (f" ... ({len(new)} in all)" if len(new) > 10 else "")
        warnings.warn(f"No font here has these characters, figures show boxes for them: {shown}", stacklevel=3)
