"""The `faces` section: from videos to face crops."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.config.section import Reruns, Section

# Keys that decide how crops are cut, also out of originals.
CROP_RERUNS = Reruns("extract_faces", "align_originals")


class FacesConfig(Section):
    """Which frames are decoded, and how faces are found and cropped."""

    reruns: ClassVar[Reruns] = Reruns("extract_faces")

    frames: int = Field(8, ge=1, le=10_000)
    """Number of frames to use from each video, evenly spaced. A video with fewer frames
    gives all its frames, and `faces/summary.csv` says so."""
    detector: Literal["centerface", "haar", "retinaface"] = "centerface"
    """Face detector. `centerface` is CenterFace, a small network that is part of the
    installation (MIT licence). It runs on the CPU, or on the GPU if there is one.
    `haar` is the Haar cascade of OpenCV, for slow machines: it finds fewer
    faces and no landmarks. `retinaface` is RetinaFace, a large network that wants a
    GPU. Its weights are those of InsightFace: only for non-commercial research."""
    detection_size: int = Field(640, ge=64, le=8192)
    """Longest side in px of the frames in which `centerface` and `retinaface` search
    faces. Larger frames are shrunk for the search, smaller ones are not enlarged. Half
    the value takes a quarter of the time."""
    detection_threshold: Annotated[
        float, Reruns("extract_faces", detector="centerface")
    ] = Field(0.5, ge=0.05, le=0.95)
    """Smallest score of a face. Only `detector: centerface` uses it."""
    retinaface_weights: str | None = None
    """File with the weights of RetinaFace: `retinaface.pth` of the retina-face package.
    null: a separate step downloads the file on the machine where Snakemake runs (see
    `retinaface_address`)."""
    retinaface_address: Annotated[str | None, Reruns()] = None
    """Address to download `retinaface.pth` from. null: the address in the package."""
    min_face: float = Field(0.15, ge=0.01, le=1.0)
    """Side of the smallest face to find, as a share of the shorter side of the frame.
    Only `detector: haar` uses it. Half the value takes four times as long."""
    faces: Literal["largest", "all"] = "largest"
    """Which faces are cropped. Faces are followed through the video. `largest`: the
    person with the largest face; among several people the one whose face the mask shows
    as forged (in a video without a mask, that of a fake of the same recording). `all`:
    in a real or unlabelled video every person who is seen often enough (see
    `min_seen`), in a fake every forged person. Each crop has the number of its
    person."""
    min_seen: float = Field(0.1, ge=0.0, le=1.0)
    """Smallest share of the examined frames in which a face must be found. A face that
    is found less often counts as a false detection."""
    decoder: Annotated[
        Literal["auto", "pyav", "decord", "torchcodec"],
        CROP_RERUNS,
    ] = "auto"
    """Library that decodes videos. `auto` is PyAV, the fastest library measured on a
    CPU. `torchcodec` needs FFmpeg's shared libraries. It uses the GPU's decoder in
    steps that have a GPU (with `detector: retinaface`)."""
    time_limit: Annotated[float, CROP_RERUNS] = Field(300.0, gt=0, le=86_400)
    """Largest time for one video in seconds. A video that takes longer gets the status
    `timeout` and no crops. If aligning an original takes longer, its fakes have no
    aligned original."""
    margin: Annotated[float, CROP_RERUNS] = Field(1.3, ge=1.0, le=3.0)
    """Side of the square crop, as a multiple of the longer side of the face box.
    FaceForensics++ uses 1.3."""
    size: int = Field(80, ge=32, le=1024)
    """Side of the stored crops in px. Use the largest `input_size` of your models."""
    max_failed: Annotated[float, Reruns()] = Field(0.2, ge=0.0, le=1.0)
    """Largest share of the videos of a shard that may give no crops. If more give none,
    the step fails. A single failed video never fails the step."""
