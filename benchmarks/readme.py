"""Write the results of the demo into the README: its tables, sentences and picture.

    python -m benchmarks.readme [FOLDER]

FOLDER is a clone in which `make demo` is finished; by default this one. The text
between the two marks in README.md is replaced, and docs/atlas.png is the atlas of
Xception from the baseline `nearest_real`, made smaller.
"""

import argparse
import re
from pathlib import Path

import pandas as pd
from PIL import Image

from pipeline.atlases.heats import ATTRIBUTION, CENTRE, CHANGE, MEAN_MASK, RANDOM
from pipeline.atlases.mask_agreement import CHANGED, PAIRED_SPECIFICITY
from pipeline.atlases.scales import BLUR

REPOSITORY = Path(__file__).parents[1]
BEGIN, END = "<!-- results of the demo -->", "<!-- end of the results -->"
MODELS = {"xception": "Xception", "densenet": "DenseNet-121"}
BASELINES = {
    "black": "black",
    "nearest_real": "nearest real face",
    "original": "own original",
}
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
PICTURE_WIDTH = 1100  # px


def metric_table(results: Path) -> str:
    """Video AUC by model and method, with the interval of all methods."""
    lines = ["| | all | " + " | ".join(METHODS) + " |", "|---|---|---|---|---|---|"]
    for model, name in MODELS.items():
        table = pd.read_csv(results / "metrics" / model / "all" / "videos.csv")
        rows = table[table["metric"] == "auc"].set_index("method")
        whole = rows.loc["all"]
        values = [f"{rows.loc[method, 'value']:.3f}" for method in METHODS]
        interval = f"{whole['value']:.3f} ({whole['low']:.2f} to {whole['high']:.2f})"
        lines.append(f"| {name} | {interval} | {' | '.join(values)} |")
    return "\n".join(lines)


def scores(results: Path, model: str, baseline: str) -> pd.DataFrame:
    """The scores of all fakes against changed pixels at the shown scale."""
    folder = results / "atlases" / model / "all" / baseline
    table = pd.read_csv(folder / "masks.csv")
    chosen = table[
        (table["method"] == "all")
        & (table["outcome"] == "all")
        & (table["truth"] == CHANGED)
        & (table["scale"] == BLUR)
    ]
    return chosen.set_index(["heat", "score"])


def control_table(results: Path) -> str:
    """The lift of maps and of controls, and the specificity of maps."""
    heats = (ATTRIBUTION, CHANGE, RANDOM, CENTRE, MEAN_MASK)
    lines = [
        "| | from | map | changed input | random weights | centre | mean mask "
        "| map above random weights | specificity |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for model, name in MODELS.items():
        for baseline, words in BASELINES.items():
            found = scores(results, model, baseline)
            lifts = [f"{found.loc[(heat, 'lift'), 'value']:.1f}" for heat in heats]
            above = _with_interval(found, f"{ATTRIBUTION} - {RANDOM}", "lift", ".1f")
            own = _with_interval(found, ATTRIBUTION, PAIRED_SPECIFICITY, ".3f")
            cells = [name, words, *lifts, above, own]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _with_interval(found: pd.DataFrame, heat: str, score: str, form: str) -> str:
    if (heat, score) not in found.index:
        return ""
    row = found.loc[(heat, score)]
    return f"{row['value']:+{form}} ({row['low']:{form}} to {row['high']:{form}})"


def region_sentences(results: Path) -> str:
    """What the mouth does to the logit, beside what the map says of it."""
    parts = []
    for model, name in MODELS.items():
        path = results / "atlases" / model / "all" / "interventions.csv"
        table = pd.read_csv(path)
        rows = table[table["method"] == "all"].set_index(["region", "measure"])
        value = rows["value"]
        parts.append(
            f"{name}: the map gives the mouth {value['mouth', 'map']:+.1f} of "
            f"{value['all', 'change']:+.1f} logits. The original mouth in the fake\n"
            f"  lowers the logit by {value['mouth', 'removal']:.1f}. The fake mouth in "
            f"the original raises it by {value['mouth', 'insertion']:.1f}. Over a\n"
            f"  frame's regions, map and effects correlate by "
            f"{value['all', 'correlation']:.2f}."
        )
    return "\n".join(f"- {part}" for part in parts)


def significance_sentences(results: Path) -> str:
    """How much of the atlases is significant."""
    table = pd.read_csv(results / "atlases" / "significance.csv")
    parts = []
    for model, name in MODELS.items():
        own = table[table["model"] == model]
        near = own[
            (own["baseline"] == "nearest_real") & (own["comparison"] == "real faces")
        ]
        every = own[own["comparison"] == "every baseline"]["significant_share"]
        shares, logits = near["significant_share"], near["significant_logits"]
        parts.append(
            f"{name}: from nearest real faces, {_range(shares, '.1%')} of the squares "
            f"differ, with {_range(logits, '+.1f')}\n"
            f"  logits; from every baseline, {_range(every, '.1%')}."
        )
    return "\n".join(f"- {part}" for part in parts)


def _range(values: pd.Series, form: str) -> str:
    return f"{values.min():{form}} to {values.max():{form}}"


TEXT = """{begin}
Video AUC on 16 pairs of persons that training never saw, with its 95 % interval:

{metrics}

The lift is the share of the positive attribution that lies on changed pixels, divided
by the share of the crop that was changed. An even map gets 1. Beside the maps are
controls, which know no detector, or one with random weights. *Changed input* is
|x - baseline|. Only what is above all controls is evidence. The *specificity* compares
a fake's map with that of its own real frame in the same mask: a picture that does not
depend on the frame gets 0. It, random weights, and what is above them are of 12 fakes,
all else is of all fakes.

{controls}

A map from the own original lies on changed pixels whatever the detector does. What
counts there is how far it is above the controls. Regions of fakes were also put into
their originals, and the other way round, and the logit was measured:

{regions}

All differences of the run are tested together. Between a method's fakes and real faces:

{significance}
{end}"""


def results_text(results: Path) -> str:
    """The text between the two marks."""
    return TEXT.format(
        begin=BEGIN,
        end=END,
        metrics=metric_table(results),
        controls=control_table(results),
        regions=region_sentences(results),
        significance=significance_sentences(results),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=REPOSITORY)
    results = parser.parse_args().folder / "results"
    readme = REPOSITORY / "README.md"
    old = readme.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    new, count = pattern.subn(lambda _: results_text(results), old)
    if count != 1:
        raise SystemExit(f"{readme}: the two marks are not there once")
    readme.write_text(new)
    with Image.open(
        results / "atlases" / "xception" / "all" / "nearest_real" / "atlas.png"
    ) as picture:
        height = round(picture.height * PICTURE_WIDTH / picture.width)
        small = picture.convert("RGB").resize((PICTURE_WIDTH, height))
    small.quantize(128).save(REPOSITORY / "docs" / "atlas.png", optimize=True)


if __name__ == "__main__":
    main()
