"""How well the faces of an atlas coincide, and what turned heads add to the logit.

A similarity transform by five points undoes a shift, a roll and a scale. It does not
undo a yaw: the far eye of a turned face is then nearer to the nose. So the frames are
divided by the pose of the head, and the regions are summed for each pose.

Left and right are as seen in the picture.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.atlases.arrays import CellKey
from pipeline.atlases.cells import Cell, RegisteredFrames
from pipeline.atlases.ledger import OFF_GRID_REGION
from pipeline.atlases.regions import REGIONS, region_sums
from pipeline.atlases.registration import are_valid
from pipeline.faces.shards import FaceShard
from pipeline.statistics.resampling import count_units, units_of

FRONTAL, LEFT, RIGHT, UNKNOWN = "frontal", "turned left", "turned right", "unknown"
POSES = (FRONTAL, LEFT, RIGHT, UNKNOWN)
# Up to this yaw (see `yaws`), a face is frontal. A nose whose tip is 0.45 eye distances
# before the eyes is displaced by 0.45 tan(angle): the bound is about 13 degrees. 93 %
# of 5,338 drawn faces, which turn by up to 34 degrees, are within it.
MAX_FRONTAL_YAW = 0.1

SLICE_KEYS = ["dataset", "compression", "method"]
LOGITS = [
    f"logits_{name.replace(' ', '_')}" for name in (*REGIONS, OFF_GRID_REGION)
]  # the sums of a frame's map over these regions
CHECK_COLUMNS = [
    *SLICE_KEYS,
    *"pose frames videos units landmarks_share interpolated_share".split(),
    "face_sharpness",
    *LOGITS,
]


def yaws(landmarks: np.ndarray) -> np.ndarray:
    """How far each nose is from the middle of the eyes, along the line of the eyes.

    `landmarks` is (N, 5, 2) px: eyes, nose and corners of the mouth, each from left to
    right in the picture. Returns (N,) float64 in distances between the eyes: positive
    if the face is turned to the right, NaN if a landmark is.
    """
    left, right, nose = np.moveaxis(np.asarray(landmarks, float)[:, :3], 1, 0)
    axis = right - left
    with np.errstate(invalid="ignore", divide="ignore"):
        found = ((nose - (left + right) / 2) * axis).sum(1) / (axis**2).sum(1)
    return np.where(np.isfinite(found), found, np.nan)


def poses(yaw: np.ndarray) -> np.ndarray:
    """The pose of each yaw (N,), one of POSES: (N,) str."""
    cases = [np.abs(yaw) <= MAX_FRONTAL_YAW, yaw < 0, yaw > 0]
    return np.select(cases, [FRONTAL, LEFT, RIGHT], UNKNOWN)


def face_states(shard: FaceShard, rows: np.ndarray) -> pd.DataFrame:
    """The columns pose, registered and interpolated of crops, `rows` (n,) of a shard.

    `registered` is whether the landmarks were used to register
    the face. If they were not, they are wrong, and the pose is unknown. `interpolated`
    is whether the face was not detected in this frame.
    """
    boxes, alignments, landmarks, interpolated = (
        shard.file[f"frames/{name}"][:][rows]
        for name in ("box", "alignment", "landmarks", "interpolated")
    )
    valid = are_valid(boxes, alignments, size=shard.crops.shape[1])
    yaw = np.where(valid, yaws(landmarks), np.nan)
    return pd.DataFrame(
        {
            "pose": poses(yaw),
            "registered": valid,
            "interpolated": interpolated,
        }
    )


def frame_sums(frames: RegisteredFrames, regions: np.ndarray) -> np.ndarray:
    """The values of frames that `registration_table` needs: (n, 1 + LOGITS) float64.

    The first is the mean squared gradient of the face, the others are the sums of the
    map over each region of `regions` (G, G) and off the grid.
    """
    gradients = [mean_squared_gradient(face, regions) for face in frames.faces]
    sums = region_sums(frames.maps, regions)
    return np.column_stack([gradients, sums, frames.off_grid])


def mean_squared_gradient(face: np.ndarray, regions: np.ndarray) -> float:
    """How sharp a face is: its mean squared gradient, in squared grey levels.

    `face` (G, G, 3) is in 0..255, of any dtype. The gradient is that of the mean of the
    colours, from each pixel to the next one on the right and to the next one below. The
    mean is over the pixels of the face: backgrounds are not expected to coincide.
    """
    grey = face.mean(2, dtype=np.float64)
    inside = (regions != REGIONS.index("outside the face"))[:-1, :-1]
    across, down = np.diff(grey, axis=1)[:-1], np.diff(grey, axis=0)[:, :-1]
    return float((across**2 + down**2)[inside].mean())


def registration_table(
    frames: pd.DataFrame,
    sums: np.ndarray,
    cells: Mapping[CellKey, Cell],
    regions: np.ndarray,
) -> pd.DataFrame:
    """One row for each method of a test set and pose that has frames: CHECK_COLUMNS.

    `frames` is the table of frames, with the columns of `face_states`, and `sums`
    (n, 1 + LOGITS) has their `frame_sums`. `cells` are with the outcome "all".

    The pose "all" has all frames. `landmarks_share` is the share of the frames that
    were registered by landmarks, `interpolated_share` that of the frames without a
    detected face. `logits_<region>` are the mean sums of the maps over a region; those
    of a row add up to the mean sum of the maps.

    `face_sharpness` is that of the mean face, for the pose "all": its mean squared
    gradient, divided by the mean of those of single faces. It is 1 if all faces
    coincide, and smaller the more they differ, in place or in looks. Faces that have
    nothing in common give 1 / n.
    """
    table = frames.assign(
        gradient=sums[:, 0], **dict(zip(LOGITS, sums.T[1:], strict=True))
    )
    rows = []
    for key, part in table.groupby(SLICE_KEYS):
        label = part["label"].iloc[0]
        cell = cells[(*key, label, "all")]
        mean_face = cell.face / cell.signed.count
        gradient = mean_squared_gradient(mean_face, regions)
        single = part["gradient"].mean()
        sharpness = gradient / single if single else np.nan
        rows.append((*key, *_pose_row("all", part), sharpness, *part[LOGITS].mean()))
        for pose, own in _by_pose(part):
            rows.append((*key, *_pose_row(pose, own), np.nan, *own[LOGITS].mean()))
    return pd.DataFrame(rows, columns=CHECK_COLUMNS)


def _by_pose(frames: pd.DataFrame) -> Sequence[tuple[str, pd.DataFrame]]:
    """The frames of each pose that has any, in the order of POSES."""
    parts = [(pose, frames[frames["pose"] == pose]) for pose in POSES]
    return [(pose, part) for pose, part in parts if len(part)]


def _pose_row(pose: str, frames: pd.DataFrame) -> tuple[object, ...]:
    """Pose, counts and shares of a row."""
    return (
        pose,
        len(frames),
        frames["video"].nunique(),
        count_units(units_of(frames)),
        frames["registered"].mean(),
        frames["interpolated"].mean(),
    )
