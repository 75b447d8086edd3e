"""The sections of the report, in their order.

A new figure is one more `Figure` here. A figure or table whose file a run does not have
is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.parts import Facts, Figure, Table
from pipeline.report.run_description import (
    INTERVENTIONS,
    ORIGINALS,
    SEVERAL_DETECTORS,
)


@dataclass(frozen=True)
class Block:
    """A part of a section that is not a figure or table; `page.py` has its content."""

    name: str


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        name: of its place in the page.
        title: its heading.
        caption: what it shows.
        look_for: what to look for, and what would be wrong.
        parts: what it holds.
    """

    name: str
    title: str
    caption: str
    look_for: str
    parts: Sequence[Figure | Table | Block]


DETECTOR = "metrics/{model}/{protocol}"
ATLAS = "atlases/{model}/{protocol}/{baseline}"
SLICE = ("dataset", "compression", "method")
DETECTORS = ("model", "protocol", *SLICE)

METRICS = {
    "auc": ".3f",
    "eer": ".3f",
    "tpr_at_fpr_1": ".3f",
    "tpr_at_fpr_10": ".3f",
    "balanced_accuracy": ".3f",
    "ece": ".3f",
    "ece_calibrated": ".3f",
}


def metric(name: str, what: str) -> Facts:
    """A video metric of a detector, for each method."""
    return Facts(
        what,
        f"{DETECTOR}/videos.csv",
        "value",
        ".3f",
        names=SLICE,
        where={"metric": name},
        interval=True,
    )


REGION_LOGITS = Facts(
    "logits that each region of fakes adds, over all of their frames",
    f"{ATLAS}/regions.csv",
    "logits",
    "+.2f",
    names=(*SLICE, "region"),
    where={"outcome": "all", "label": "1"},
    interval=True,
)
CELL_ERRORS = Facts(
    "error of the mean map, as a share of its size",
    f"{ATLAS}/cells.csv",
    "map_error",
    ".1%",
    names=SLICE,
    where={"outcome": "all"},
)


def intervention(measure: str, what: str, style: str = "+.2f") -> Facts:
    """What exchanging regions does, over all methods, for each region."""
    return Facts(
        what,
        "atlases/{model}/{protocol}/interventions.csv",
        "value",
        style,
        names=("dataset", "compression", "region"),
        where={"method": "all", "measure": measure},
        interval=True,
    )


def mask_table(score: str, style: str, caption: str) -> Table:
    """A score of maps and controls against masks, over all methods and frames."""
    return Table(
        f"{ATLAS}/masks.csv",
        caption,
        ("dataset", "compression", "truth", "heat"),
        {"value": style, "units": "d"},
        where={"method": "all", "outcome": "all", "scale": "blur", "score": score},
        interval=True,
    )


DATA = Section(
    "data",
    "Data",
    "What became of each video, and where the same people are in several splits.",
    "Each split has real and fake videos. Videos without crops have a reason. "
    "Crops show one face each, upright and centred. Wrong would be a person in two "
    "splits, or a method most of whose videos have no crops.",
    (
        Table(
            "report/data.csv",
            "Videos and crops of each part of the data",
            ("dataset", "compression", "split", "method"),
            {"videos": "d", "with_crops": "d", "without_crops": "d", "crops": "d"},
        ),
        Table(
            "videos/leaks.csv",
            "Recordings and people in more than one split",
            ("dataset", "what", "split"),
            {"members": "", "videos": ""},
            empty="No recording and no person is known to be in more than one split.",
        ),
        Table(
            "attributions/originals.csv",
            "Originals of the test fakes: the same frames before they were forged",
            SLICE,
            {"videos": "d", "frames": "d", "aligned_share": ".1%", "psnr": ".1f"},
            needs=ORIGINALS,
        ),
        Figure(
            "faces/{shard}.png",
            "Contact sheet: a crop of every video, or the reason why there is none.",
            "Faces fill the crops. Wrong would be a crop without a face, or of a "
            "person who is not the forged one.",
            (
                Facts(
                    "videos with crops in the whole test split",
                    "report/data.csv",
                    "with_crops",
                    "d",
                    names=("dataset", "compression", "method"),
                    where={"split": "test"},
                ),
            ),
            has_faces=True,
        ),
    ),
)

METRICS_TABLE = Table(
    "metrics/videos.csv",
    "Video metrics of all detectors on the test set",
    DETECTORS,
    METRICS,
    pivot="metric",
    counts=("real", "fake", "units"),
)
METRICS_SECTION = Section(
    "metrics",
    "Metrics",
    "How well the detectors tell fakes from real videos of the test set. Detectors "
    "that this run trained have not seen these videos. In brackets are 95 % intervals "
    "over units: people whose videos depend on each other.",
    "An AUC of 0.5 is chance, and 1 is perfect. Look at the lower ends of the "
    "intervals, and at the method that is detected worst. Wrong would be a metric far "
    "above published ones, or a calibration error that temperature scaling makes "
    "larger.",
    (
        METRICS_TABLE,
        Figure(
            "metrics/auc.png",
            "Video AUC of each detector (rows) for each method (columns).",
            "Rows that are alike, and columns that are not: methods differ in "
            "difficulty. Wrong would be a detector below 0.5.",
            (
                Facts(
                    "video AUC",
                    "metrics/videos.csv",
                    "value",
                    ".3f",
                    names=DETECTORS,
                    where={"metric": "auc"},
                    interval=True,
                ),
            ),
        ),
        Table(
            "metrics/differences.csv",
            "AUC of one detector minus that of another, on the same videos",
            ("protocol", "model", "other", *SLICE),
            {"difference": "+.3f", "units": "d"},
            where={"metric": "auc"},
            interval=True,
        ),
        Table(
            "metrics/literature.csv",
            "Published values beside ours",
            ("source", "network", "trained_methods", "method", "level", "metric"),
            {"published": ".4f", "ours": ".4f", "low": ".4f", "high": ".4f"},
            empty="No published value was measured as in this run.",
        ),
        Table(
            "metrics/{model}/{protocol}/operating_point.csv",
            "Operating point: threshold and temperature",
            ("level", "chosen_on"),
            {"threshold": "+.3f", "temperature": ".3f"},
        ),
        Table(
            "models/{model}/{protocol}/history.csv",
            "Training: losses and validation AUC of every epoch",
            ("epoch",),
            {
                "train_loss": ".4f",
                "val_loss": ".4f",
                "val_frame_auc": ".4f",
                "val_video_auc": ".4f",
            },
        ),
        Figure(
            "models/{model}/{protocol}/curves.png",
            "Training curves.",
            "Wrong would be a validation loss that rises while the training loss "
            "falls long before the end.",
            (
                Facts(
                    "validation AUC over videos, by epoch",
                    "models/{model}/{protocol}/history.csv",
                    "val_video_auc",
                    ".3f",
                    names=("epoch",),
                ),
            ),
        ),
        Figure(
            f"{DETECTOR}/scores.png",
            "The score of every test video, and the threshold.",
            "Two separate groups, with the threshold between them. Wrong would be a "
            "threshold beside both groups.",
            (metric("balanced_accuracy", "balanced accuracy"),),
        ),
        Figure(
            f"{DETECTOR}/roc.png",
            "Receiver operating characteristic (ROC), also with a logarithmic axis.",
            "The left end of the logarithmic axis is what counts where fakes are rare.",
            (
                metric("auc", "AUC"),
                metric("tpr_at_fpr_1", "true positive rate at 1 % false positives"),
            ),
        ),
        Figure(
            f"{DETECTOR}/precision_recall.png",
            "Precision and recall.",
            "Precision depends on how many of the videos are fake: here as in the "
            "test set.",
            (metric("average_precision", "average precision"),),
        ),
        Figure(
            f"{DETECTOR}/det.png",
            "Detection error trade-off (DET).",
            "Straight lines are usual. The equal error rate is on the diagonal.",
            (metric("eer", "equal error rate"),),
        ),
        Figure(
            f"{DETECTOR}/reliability.png",
            "Reliability: how often videos with a probability are fake.",
            "Points near the diagonal. Wrong would be probabilities near the ends that "
            "are often mistaken.",
            (
                metric("ece", "calibration error"),
                metric("ece_calibrated", "the same after temperature scaling"),
            ),
        ),
    ),
)

BASELINES = Section(
    "baselines",
    "Baselines",
    "What the detector says of the pictures that maps start from, and how much maps "
    "depend on them. Read this before the atlases.",
    "A good baseline has a logit near that of real faces, and the same for all. Wrong "
    "would be a baseline that is itself called fake: then maps show why a face is more "
    "fake than this picture. Where maps from two baselines have no correlation, only "
    "what survives from every baseline says something of the detector.",
    (
        Table(
            "atlases/{model}/{protocol}/baselines.csv",
            "Baselines of each method",
            ("baseline", *SLICE),
            {
                "frames": "d",
                "baseline_logit": "+.2f",
                "called_fake": ".1%",
                "size_of_change": ".2f",
                "converged": ".1%",
                "steps": ".1f",
            },
        ),
        Table(
            "atlases/{model}/{protocol}/baseline_agreement.csv",
            "Rank correlation of maps of the same frames from two baselines",
            ("baseline", "other", *SLICE),
            {"frames": "d", "rank_correlation": "+.3f", "std": ".3f"},
        ),
        Figure(
            "atlases/{model}/{protocol}/baselines.png",
            "Mean maps from each baseline, and what is significant from every one.",
            "The last column. Wrong would be maps that only agree where the mean "
            "face differs from the baseline.",
            (
                Facts(
                    "logit of the baselines",
                    "atlases/{model}/{protocol}/baselines.csv",
                    "baseline_logit",
                    "+.2f",
                    names=("baseline", *SLICE),
                ),
            ),
            has_faces=True,
        ),
    ),
)

ATLASES = Section(
    "atlases",
    "Atlases",
    "Mean attribution maps on the canonical face. The bar says which colours are "
    "evidence for fake. Each method has its own scale. All fakes of a method are "
    "tested against real faces (from the baseline original: against zero), and all "
    "pictures of the run together. Lines are over the squares that do not differ "
    "significantly. Other pictures are not tested, and say so.",
    "Where maps of fakes differ from those of real faces, from more than one baseline. "
    "Wrong would be a map error that is not small beside the sampling error (above 0.3 "
    "of it), or a mask score that the controls reach as well.",
    (
        Block("viewer"),
        Table(
            f"{ATLAS}/cells.csv",
            "Cells of the atlas",
            ("dataset", "compression", "method", "outcome"),
            {
                "frames": "d",
                "units": "d",
                "mean_logit": "+.2f",
                "mean_change": "+.2f",
                "mean_attribution_sum": "+.2f",
                "map_error": ".1%",
                "sampling_error": ".1%",
                "integration_ratio": ".2f",
                "converged_share": ".1%",
            },
        ),
        mask_table(
            "relevance_mass",
            ".3f",
            "Share of the positive heat in the mask: of the map, and of controls that "
            "know no trained detector; with a minus in its name, the map's share minus "
            "that of a control",
        ),
        mask_table(
            "paired_specificity",
            "+.3f",
            "Paired specificity: the map of a fake minus that of its own real frame, "
            "in the mask",
        ),
        Table(
            f"{ATLAS}/registration.csv",
            "Registration: how well faces were brought onto the canonical face",
            ("dataset", "compression", "method", "pose"),
            {
                "frames": "d",
                "landmarks_share": ".1%",
                "interpolated_share": ".1%",
                "face_sharpness": ".3f",
            },
        ),
        Figure(
            f"{ATLAS}/statistics.png",
            "Mean, median and spread of signed and absolute maps.",
            "Mean and median alike. Wrong would be a mean that a few frames make.",
            (CELL_ERRORS,),
        ),
        Figure(
            f"{ATLAS}/outcomes.png",
            "Frames that are classified right and wrong, compared in shape.",
            "Squares without lines differ. Strengths are not compared, because the "
            "logit that a map adds up to decides which frames are right.",
            (
                Facts(
                    "share of squares that differ significantly",
                    "atlases/significance.csv",
                    "significant_share",
                    ".1%",
                    names=SLICE,
                    where={
                        "model": "{model}",
                        "protocol": "{protocol}",
                        "baseline": "{baseline}",
                        "comparison": "wrong frames",
                    },
                ),
            ),
            has_faces=True,
        ),
    ),
)

REGIONS = Section(
    "regions",
    "Regions and interventions",
    "How many logits each region of the face adds, and what happens to the logit if "
    "the pixels of the region are really exchanged with those of the original.",
    "A region that adds much in the map and whose removal lowers the logit as much. "
    "Wrong would be a region with a large sum whose removal changes nothing: then the "
    "network is far from additive, or the map is wrong.",
    (
        Figure(
            f"{ATLAS}/regions.png",
            "What each region adds to the logit of the fake class.",
            "Bars whose intervals leave out zero, and that stay where all regions are "
            "moved (grey).",
            (REGION_LOGITS,),
        ),
        Table(
            f"{ATLAS}/regions.csv",
            "Logits of each region, over all frames of a method",
            ("dataset", "compression", "method", "region"),
            {
                "logits": "+.3f",
                "moved_low": "+.3f",
                "moved_high": "+.3f",
                "area": ".1%",
                "units": "d",
            },
            where={"outcome": "all"},
            interval=True,
        ),
        Figure(
            "atlases/{model}/{protocol}/interventions.png",
            "Logits of fakes and originals whose regions or pixels are exchanged.",
            "Curves by the order of maps that lie beyond those of random orders.",
            (
                intervention("map", "logits that the map from the original gives"),
                intervention("removal", "fall of the logit without the region"),
                intervention("insertion", "rise of the original's logit with it"),
                intervention("change", "logit of the fake minus the original's"),
                intervention("correlation", "correlation of map and effects"),
            ),
            needs=INTERVENTIONS,
        ),
        Table(
            "atlases/{model}/{protocol}/interventions.csv",
            "Interventions: what removing or inserting a region does to the logit",
            (*SLICE, "region"),
            {
                "map": "+.2f",
                "removal": "+.2f",
                "insertion": "+.2f",
                "change": "+.2f",
                "correlation": "+.2f",
            },
            pivot="measure",
            counts=("frames", "units"),
            needs=INTERVENTIONS,
        ),
    ),
)

DIFFERENCES = Section(
    "differences",
    "Differences and clusters",
    "What differs significantly between fakes and real faces, between right and wrong "
    "frames, and between detectors, tested together; and groups of similar maps.",
    "The size of an effect beside its significance. Clusters are an exploration: they "
    "are questions to ask of other data.",
    (
        Table(
            "atlases/significance.csv",
            "Everything that was tested",
            ("model", "protocol", "baseline", *SLICE, "comparison", "other"),
            {
                "units": "d",
                "significant_share": ".1%",
                "significant_logits": "+.2f",
                "significant_norm": ".2f",
            },
            where={"tested": "True"},
        ),
        Figure(
            "atlases/models-{baseline}.png",
            "Mean maps of two detectors, each divided by the sum of its absolute "
            "values, and their difference.",
            "Differences between models beside those between trainings of one model.",
            (
                Facts(
                    "correlation of the mean maps",
                    "atlases/models-{baseline}.csv",
                    "correlation",
                    "+.2f",
                    names=("detector", "other", *SLICE),
                ),
            ),
            has_faces=True,
            needs=SEVERAL_DETECTORS,
        ),
        Table(
            "atlases/models-{baseline}.csv",
            "Detectors compared in shape",
            ("detector", "other", "comparison", *SLICE),
            {
                "distance": ".2f",
                "norm_ratio": ".2f",
                "correlation": "+.2f",
                "significant_share": ".1%",
            },
            needs=SEVERAL_DETECTORS,
        ),
        Figure(
            f"{ATLAS}/clusters.png",
            "Clusters of maps, with their most typical members.",
            "Clusters of many people and one method. Wrong would be a cluster of one "
            "video.",
            (
                Facts(
                    "frames of each cluster",
                    f"{ATLAS}/clusters.csv",
                    "frames",
                    "d",
                    names=("cluster", "top_region"),
                ),
            ),
            has_faces=True,
        ),
        Table(
            f"{ATLAS}/clusters.csv",
            "Clusters",
            ("cluster", "top_region"),
            {
                "frames": "d",
                "videos": "d",
                "units": "d",
                "mean_logit": "+.2f",
                "mean_silhouette": ".2f",
                "face_share": ".1%",
                "top_share": ".1%",
            },
        ),
    ),
)

COMPARISON = Section(
    "atlases",
    "Two runs",
    "Metrics, configuration and atlases of another run beside those of this one.",
    "Metrics whose intervals do not overlap. Where the runs have different test sets, "
    "their metrics cannot be compared.",
    (),
)

SECTIONS = (
    Section(
        "summary",
        "The run",
        "What was trained on what, how well it does, how exact its maps are, and what "
        "failed.",
        "",
        (Block("summary"),),
    ),
    DATA,
    METRICS_SECTION,
    BASELINES,
    ATLASES,
    REGIONS,
    DIFFERENCES,
    Section(
        "gallery",
        "Single frames",
        "Some frames of each atlas. The detector is most certain of some of them, "
        "right or wrong. The others are the most typical ones.",
        "Maps of wrong frames beside those of right ones. A single frame is an example "
        "and no finding.",
        (Block("gallery"),),
    ),
    Section(
        "problems",
        "Errors and warnings",
        "What failed in this run, and what to do about it.",
        "",
        (Block("problems"),),
    ),
    Section(
        "methods",
        "Methods",
        "A paragraph for a paper, with its references.",
        "",
        (Block("methods"),),
    ),
    Section(
        "reproduction",
        "Reproduction",
        "Versions, configuration, commands and checksums.",
        "",
        (Block("reproduction"),),
    ),
)
