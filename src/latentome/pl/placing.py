"""Where to write names and to put points so that they do not cover one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def text_size(text: str, points: float, weight: str = "normal") -> tuple[float, float]:
    """Give width and height in inches of one line of text of the given size in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():  # matplotlib knows no extent of it
        return 0.0, 0.72 * points / 72
    box = TextPath((0, 0), text, prop=FontProperties(size=points, weight=weight)).get_extents()
    return box.width / 72, 0.72 * points / 72


def spread(anchors: np.ndarray, sizes: np.ndarray, low: np.ndarray, high: np.ndarray, rounds: int = 400) -> np.ndarray:
    """Move boxes from their anchors just far enough not to overlap, as far as the frame from `low` to `high` allows.

    All in inches: `anchors`, where each box wants its centre, `sizes` and the centres that are returned are boxes x 2.
    """
    import numpy as np

    centres = np.array(anchors, dtype=float)
    half = np.asarray(sizes, dtype=float) / 2
    first, second = np.triu_indices(len(centres), k=1)
    for round_ in range(rounds):
        gap = centres[second] - centres[first]
        need = half[first] + half[second]
        overlap = need - np.abs(gap)
        hit = (overlap > 0).all(axis=1)
        if not hit.any():
            break
        # Each pair parts along the axis where the shorter way leads out; boxes are wide, so that is mostly up and down.
        i, j, over, way = first[hit], second[hit], overlap[hit], gap[hit]
        axis = np.argmin(over, axis=1)
        rows = np.arange(len(axis))
        sign = np.where(way[rows, axis] >= 0, 1.0, -1.0)
        push = np.zeros_like(over)
        push[rows, axis] = 0.5 * sign * (over[rows, axis] + 1e-3)
        np.add.at(centres, j, 0.6 * push)
        np.add.at(centres, i, -0.6 * push)
        if round_ < rounds // 2:
            centres += 0.02 * (anchors - centres)
        centres = np.clip(centres, low + half, high - half)
    return centres


def swarm_offsets(
    groups: Sequence[np.ndarray], width: float, sizes: tuple[float, float]
) -> tuple[list[np.ndarray], float]:
    """Move points of a line aside, so that none covers another one as long as there is room.

    The line is cut into pieces as long as a point. The points of a piece stand side by side, around the line. Points
    are as large as the fullest piece of all groups allows, between both `sizes`; where even the smallest ones are too
    many for the `width` across the line, all groups are narrowed alike. All in inches: gives for each group the way of
    its points across the line, from ``-width / 2`` to ``width / 2``, and the diameter.
    """
    import numpy as np

    for diameter in np.geomspace(sizes[1], sizes[0], 8):
        places = [_side_by_side(values / diameter) for values in groups]
        broadest = max((float(np.abs(place).max()) for place in places if len(place)), default=0.0)
        if (2 * broadest + 1) * diameter <= width:
            break
    step = min(diameter, (width - diameter) / max(2 * broadest, 1.0))
    return [place * step for place in places], float(diameter)


def _side_by_side(values: np.ndarray) -> np.ndarray:
    """Place the points of each piece of length 1: 0, 1, -1, 2, -2, ... in units of a point."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    _, start, counts = np.unique(np.floor(values[order]), return_index=True, return_counts=True)
    nth = np.arange(len(values)) - np.repeat(start, counts)
    place = np.empty(len(values))
    place[order] = (nth + 1) // 2 * np.where(nth % 2, 1, -1)
    return place
