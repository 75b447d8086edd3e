"""What all figures share: colours, line styles, legends, and how they are written."""

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

# Colours of Okabe and Ito, which colour-blind people can distinguish.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

# Dashes distinguish curves in grey print and where they overlap. Five dashes and seven
# colours give 35 different line styles.
DASHES = ("-", *((0, dash) for dash in ((6, 1.5), (6, 1.5, 1, 1.5), (2, 1), (4, 4))))
LEGEND_STYLE = {"frameon": False, "fontsize": 8, "title_fontsize": 8, "handlelength": 3}

# Titles show names of files and methods literally, so dollar signs start no formula.
plt.rcParams["text.parse_math"] = False


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and close it. The same figure gives the same bytes."""
    with replacing(path) as part:
        figure.savefig(part, dpi=150, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def shortened(name: str, max_length: int) -> str:
    """A name of at most `max_length` characters; "…" replaces an end that is cut."""
    return name if len(name) <= max_length else name[: max_length - 1] + "…"


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 frame" or "2 frames"."""
    return f"{number} {noun}" + "s" * (number != 1)


def line_styles() -> Iterator[dict[str, Any]]:
    """Arguments for `Axes.plot`, different for each curve.

    The first curve, which shows all items together, is thicker.
    """
    for number, colour in enumerate(cycle(COLOURS)):
        dash = DASHES[number % len(DASHES)]
        yield {"color": colour, "ls": dash, "lw": 2.2 if number == 0 else 1.4}


def legend_below(axes: Axes, title: str) -> None:
    """Draw a legend below a panel, where it hides no curve."""
    down = ScaledTranslation(0, -0.5, axes.figure.dpi_scale_trans)  # inches
    position = {"bbox_to_anchor": (0.5, 0), "bbox_transform": axes.transAxes + down}
    axes.legend(title=title, ncols=2, loc="upper center", **position, **LEGEND_STYLE)
