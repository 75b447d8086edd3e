"""The `faces` section: from videos to face crops."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.config.section import Reruns, Section

# Keys that decide how faces are cut, in originals as well.
CUTTING = Reruns("extract_faces", "align_originals")


class FacesConfig(Section):
    """Which frames are decoded, how faces are found and cropped."""

    reruns: ClassVar[Reruns] = Reruns("extract_faces")

    frames: int = Field(8, ge=1, le=10_000)
    """Frames to take of each video, evenly spaced over it. A shorter video gives the
    frames that it has, and says so in `faces/summary.csv`."""
    detector: Literal["haar", "retinaface"] = "haar"
    """`haar`: the Haar cascade inside OpenCV, needs nothing. `retinaface`: RetinaFace,
    better on real faces and batched on the GPU."""
    retinaface_weights: str | None = None
    """File with RetinaFace's weights, the `retinaface.pth` that the retina-face package
    names. null: it is fetched, by a step of its own on the machine where Snakemake
    runs, from where the package says."""
    retinaface_address: Annotated[str | None, Reruns()] = None
    """Another address to fetch `retinaface.pth` from."""
    min_face: float = Field(0.15, ge=0.01, le=1.0)
    """Smallest face to look for, as a share of the frame's shorter side (only for
    `detector: haar`; half as large takes four times as long)."""
    faces: Literal["largest", "all"] = "largest"
    """`largest`: the crops of one person, who is followed through the video: the one
    with the largest face; of a fake with several, the forged one by its mask. `all`: of
    everyone that is seen long enough; each crop says whose it is."""
    min_seen: float = Field(0.1, ge=0.0, le=1.0)
    """Share of the frames looked at in which a face must be found to count: one found
    less often is taken for a mistake."""
    decoder: Annotated[
        Literal["auto", "pyav", "decord", "torchcodec"],
        CUTTING,
    ] = "auto"
    """Library that decodes. `auto` is the fastest measured on a CPU, PyAV. `torchcodec`
    uses the GPU's decoder in steps that are given a GPU (with `detector: retinaface`);
    it needs FFmpeg's shared libraries."""
    time_limit: Annotated[float, CUTTING] = Field(300.0, gt=0, le=86_400)
    """Seconds that a video may take before it is given up and becomes a row with the
    status `timeout`; and an original, whose fakes then have none."""
    margin: Annotated[float, CUTTING] = Field(1.3, ge=1.0, le=3.0)
    """Side of the square crop, as a multiple of the face box (FaceForensics++: 1.3)."""
    size: int = Field(96, ge=32, le=1024)
    """Side that crops are stored in, in px: the largest input size of your models."""
    max_failed: Annotated[float, Reruns()] = Field(0.2, ge=0.0, le=1.0)
    """Largest share of a shard's videos that may fail before the step fails. A single
    failed video never fails it."""
