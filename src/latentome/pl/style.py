"""The house style of every figure: type, lines, sizes, and colours that readers of all kinds can tell apart."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from latentome.errors import InputError, check_known

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")

#: Widths of one and of two columns of a journal page, in inches.
SINGLE, DOUBLE = 3.5, 7.2

#: Name of the map for quantities that begin anywhere.
SEQUENTIAL = "viridis"

#: Colours with a fixed meaning: the first method, the two signs. Drawn as `visible` gives them.
FIRST = "#0072B2"
POSITIVE, NEGATIVE = "#B2182B", "#2166AC"


class Tones(NamedTuple):
    """The colours without a hue, which are others on light and on dark paper: that of the paper, and of what is on it.

    `ink` is for text and axes, `faint` for notes, `quiet` for bars of what is nothing special, `line` for lines that
    join, `grid` for lines behind everything, `missing` for points without a label, `baseline` for PCA.
    """

    paper: str
    ink: str
    faint: str
    quiet: str
    line: str
    grid: str
    missing: str
    baseline: str


THEMES = {
    "light": Tones("#FFFFFF", "#222222", "#6B6B6B", "#B9B9B9", "#C9C9C9", "#E4E4E4", "#D3D3D3", "#8C8C8C"),
    "dark": Tones("#15171A", "#E8E8E8", "#A8A8A8", "#6E6E6E", "#5A5D62", "#33363B", "#54575C", "#A0A0A0"),
}
_tones: ContextVar[Tones] = ContextVar("tones", default=THEMES["light"])

#: Okabe and Ito's eight colours, then fifty-two more, each as far as possible in OKLab from all before it, both as
#: seen by full colour vision and by deuteranopes, none near white or the grey of missing labels, none glaring.
PALETTE = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000", "#850021", "#165900"),
    *("#B12C85", "#16DE85", "#591690", "#FF90FF", "#904316", "#906FE9", "#164E64", "#64A600", "#0BFFE9", "#6FFF9B"),
    *("#437A00", "#7A6F90", "#FF9090", "#A69B6F", "#0B9BBC", "#9BD337", "#2C6F64", "#D34364", "#8543BC", "#900064"),
    *("#0043B1", "#6F374E", "#21BCA6", "#BCA6D3", "#906F4E", "#FFBC7A", "#009BFF", "#85C8B1", "#B190FF", "#B11637"),
    *("#FF6464", "#85D3FF", "#FFBCFF", "#C84EA6", "#594E85", "#6F2C00", "#904E64", "#00BC64", "#00DED3", "#8590BC"),
    *("#4E64DE", "#C88500", "#BCBC7A", "#852190", "#FF7AC8", "#7A8516", "#C8E9B1", "#7ABC59", "#6F907A", "#594E2C"),
)

_RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 7,
    "mathtext.default": "regular",
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.labelsize": 7,
    "axes.labelpad": 3,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.axisbelow": True,
    "figure.dpi": 150,
    "figure.titlesize": 9,
    "figure.titleweight": "bold",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "lines.linewidth": 1.2,
    "patch.linewidth": 0.6,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "image.cmap": SEQUENTIAL,
    # Saved files: what a journal's production office asks for, with text that stays text.
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
}


#: Settings that are one of the tones, each with the name of the tone.
_TONED = {
    "axes.edgecolor": "ink",
    "axes.facecolor": "paper",
    "axes.labelcolor": "ink",
    "figure.facecolor": "paper",
    "grid.color": "grid",
    "savefig.facecolor": "paper",
    "text.color": "ink",
    "xtick.color": "ink",
    "ytick.color": "ink",
}


@contextlib.contextmanager
def theme(name: str) -> Iterator[None]:
    """Draw on light or on dark paper until the block ends.

    A figure keeps the theme it was made in, also when it is saved later.

    Parameters
    ----------
    name
        ``"light"`` (the default of all figures) or ``"dark"``.

    Raises
    ------
    InputError
        If there is no such theme.
    """
    check_known(name, THEMES, f"There is no theme '{name}'.", where="the theme of the figures")
    before = _tones.set(THEMES[name])
    try:
        yield
    finally:
        _tones.reset(before)


def tones() -> Tones:
    """Give the colours without a hue, of the theme that is on."""
    return _tones.get()


def house_style() -> dict[str, Any]:
    """Give the settings that every figure of this package is drawn and saved with.

    Returns
    -------
    A fresh dictionary for ``matplotlib.rc_context``: sans-serif type of 7 points, thin spines at the left and bottom
    only, 300 dots per inch on saving, fonts embedded as text in PDF and left as text in SVG, and the colours of the
    theme that is on.
    """
    plain = {key: list(value) if isinstance(value, list) else value for key, value in _RC.items()}
    return plain | {key: getattr(tones(), tone) for key, tone in _TONED.items()}


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Run a drawing function under the house style and leave the user's own settings as they were.

    What is given where its first argument is a data frame must be one.
    """
    of_table = next(iter(draw.__annotations__.values())) == "pd.DataFrame"

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        import matplotlib

        if of_table and args and not hasattr(args[0], "columns"):
            raise InputError(
                f"pl.{draw.__name__} takes a table.",
                where=f"its first argument, of type {type(args[0]).__name__}",
                expected="a pandas.DataFrame",
                todo="Pass what the functions of latentome.tl give, or the history_ of a model.",
            )
        with matplotlib.rc_context(house_style()):
            return draw(*args, **kwargs)

    return inside


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """Make an empty figure, in inches, that keeps the house style until it is saved; no window or list knows of it."""
    from latentome.pl.figure import HouseFigure

    return HouseFigure(figsize=(width, height), **options)


def new_panels(
    n: int, tall: float, more: float, *, alone: float | None = None, four: int = 3, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Make a figure with so many panels, up to three in a row; of four, so many as `four`.

    A row is `tall` inches high, or `alone` where it has one panel, in a narrow figure; `more` comes for all. The
    options are those of ``matplotlib.figure.Figure.subplots``.
    """
    columns = four if n == 4 else min(n, 3)
    rows = math.ceil(n / columns)
    one = columns == 1
    height = rows * (alone if one and alone is not None else tall) + more
    figure = new_figure(SINGLE if one else DOUBLE, height, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for axes in panels[n:]:
        axes.set_axis_off()
    return figure, panels[:n]


def label_colors(categories: Iterable[Hashable]) -> dict[Hashable, str]:
    """Choose one colour for each category.

    TCGA study abbreviations get the official colours of their studies when at least three in four of the categories
    are such abbreviations. Otherwise, and for the remaining ones, the colours are Okabe and Ito's eight, which
    colour-blind readers can tell apart, followed by fifty-two further ones as distinct as they can be. Past sixty the
    colours repeat.

    Parameters
    ----------
    categories
        The categories; they are coloured in the order given, repeated ones once. Missing ones (None, NaN, NA) are
        allowed.

    Returns
    -------
    Category to colour as ``#RRGGBB``; a missing category is grey. On dark paper the colours are `visible` there.
    """
    import pandas as pd

    unique = list(dict.fromkeys(categories))
    named = [c for c in unique if not pd.isna(c)]
    official = _official_colors(named)
    taken = set(official.values())
    free = [color for color in PALETTE if color not in taken]
    others = [c for c in named if c not in official]
    rest = {c: free[i % len(free)] for i, c in enumerate(others)}
    return {c: tones().missing if pd.isna(c) else visible(official.get(c) or rest[c]) for c in unique}


def _official_colors(named: list[Hashable]) -> dict[Hashable, str]:
    """Give the studies' official colours, or none when too few of the categories are studies."""
    if not named or not any(isinstance(c, str) for c in named):
        return {}
    from latentome.datasets import tcga_colors

    table = tcga_colors()
    known = {c: table[c].upper() for c in named if c in table and c != "NA"}
    return known if len(known) >= 0.75 * len(named) else {}


def literal(name: object) -> str:
    """Make a name from the data safe to draw: matplotlib reads text between dollar signs as a formula.

    A leading underscore, which would keep a name out of legends, gets a space in front.
    """
    text = str(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def luminance(color: str | tuple[float, ...]) -> float:
    """Give the relative luminance of a colour, 0 (black) to 1 (white), as WCAG 2 defines it."""
    from matplotlib.colors import to_rgb

    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color: str | tuple[float, ...], other: str | tuple[float, ...]) -> float:
    """Give the contrast of two colours, 1 (none) to 21 (black and white), as WCAG 2 defines it."""
    low, high = sorted((luminance(color), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable(color: str, least: float = 4.5) -> str:
    """Move a colour away from the paper until text in it can be read (contrast of at least 4.5 to 1)."""
    from matplotlib.colors import to_hex, to_rgb

    rgb, paper = to_rgb(color), tones().paper
    far = 1.0 if luminance(paper) < 0.18 else 0.0
    while contrast(rgb, paper) < least:
        rgb = tuple(far + 0.93 * (v - far) for v in rgb)
    return to_hex(rgb)


def visible(color: str) -> str:
    """Give a colour as it is on light paper; on dark paper lighten the dark ones until they show (3 to 1)."""
    return color if tones() is THEMES["light"] else readable(color, 3.0)


def opacity(share: float) -> float:
    """Give how opaque points are that may lie on one another; on dark paper they need more to be seen at all."""
    return share if tones() is THEMES["light"] else (2 + share) / 3


def edge_of(color: str) -> str:
    """Give the colour that outlines a point, a step away from the paper: the palest classes vanish without it."""
    from matplotlib.colors import to_hex, to_rgb

    far = 0.0 if tones() is THEMES["light"] else 1.0
    return to_hex(tuple(far + 0.72 * (v - far) for v in to_rgb(color)))


def ink_on(color: Any) -> str:
    """Give the ink that can be read on a colour, whatever the theme."""
    return THEMES["light"].ink if luminance(color[:3]) > 0.3 else "white"


def sequential() -> Colormap:
    """Give the map for quantities that begin anywhere; on dark paper without its darkest part."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    full = colormaps[SEQUENTIAL]
    if tones() is THEMES["light"]:
        return full
    return ListedColormap([full(0.2 + 0.8 * i / 255) for i in range(256)], "sequential")


def shares() -> Colormap:
    """Give the map for quantities from nothing upwards: nothing has nearly the colour of the paper."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    if tones() is THEMES["light"]:
        return colormaps["Blues"]
    return LinearSegmentedColormap.from_list("shares", ["#1C1F24", "#1F4E79", "#4F9BD9", "#D6ECFF"])


def diverging() -> Colormap:
    """Give the map for quantities on both sides of zero: zero has nearly the colour of the paper."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    if tones() is THEMES["light"]:
        return colormaps["RdBu_r"]
    ends = ["#A9DCFF", "#3D86C6", "#1C1F24", "#C4513F", "#FFB9A3"]
    return LinearSegmentedColormap.from_list("diverging", ends)
