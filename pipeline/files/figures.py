"""Figures of training and of many models' metrics; what all figures share."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from pipeline.files.atomic import replacing

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

# Dashes tell curves apart in grey print and where they lie upon each other; with seven
# colours they come round only after 35 slices.
DASHES = ("-", *((0, dash) for dash in ((6, 1.5), (6, 1.5, 1, 1.5), (2, 1), (4, 4))))
LEGEND = {"frameon": False, "fontsize": 8, "title_fontsize": 8, "handlelength": 3}

# Names of files and methods stand in titles as they are, dollar signs and all.
plt.rcParams["text.parse_math"] = False


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, without the date that would change its bytes."""
    with replacing(path) as part:
        figure.savefig(part, dpi=150, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def shortened(name: str, most: int) -> str:
    """A name, its end cut off if it has more than `most` characters."""
    return name if len(name) <= most else name[: most - 1] + "…"


def counted(number: int, thing: str) -> str:
    """So many things."""
    return f"{number} {thing}" + "s" * (number != 1)


def pens() -> Iterator[dict[str, Any]]:
    """How to draw one curve after another; the first, of all items, is thicker."""
    for place, colour in enumerate(cycle(COLOURS)):
        dash = DASHES[place % len(DASHES)]
        yield {"color": colour, "ls": dash, "lw": 1.4 if place else 2.2}


def legend_below(axes: Axes, title: str) -> None:
    """A legend under a panel, where it hides no curve however many there are."""
    down = ScaledTranslation(0, -0.5, axes.figure.dpi_scale_trans)  # inches
    place = {"bbox_to_anchor": (0.5, 0), "bbox_transform": axes.transAxes + down}
    axes.legend(title=title, ncols=2, loc="upper center", **place, **LEGEND)
