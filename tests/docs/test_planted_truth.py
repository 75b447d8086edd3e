"""The corpora with a known forgery: what is planted, and what is read of an atlas."""

import numpy as np
import pytest

from benchmarks.planted_truth import (
    CROP_BELOW,
    CROP_SIDE,
    MARK_OPACITY,
    MARK_SIDE,
    mark_opacity,
    marked_frame,
)
from pipeline.videos.miniature.scene import make_scene


@pytest.mark.parametrize("person", [0, 3])
def test_a_mark_is_in_the_crop_and_changes_nothing_else(person):
    scene = make_scene(0, person, (3, 3))
    pose, frame = scene.poses(2)[0], scene.takes[2].frame
    opacity = mark_opacity(pose, frame.shape[:2])
    marked = marked_frame(frame, opacity)
    is_marked = opacity > 0
    assert (marked == frame)[~is_marked].all()
    assert (marked != frame).any(-1)[is_marked].mean() > 0.9
    rows, columns = np.nonzero(is_marked)
    side = CROP_SIDE * pose.half_width
    across = (columns - pose.x) / side
    below = (rows - pose.y - CROP_BELOW * pose.half_width) / side
    area = opacity.sum() / MARK_OPACITY
    assert area == pytest.approx((MARK_SIDE * side) ** 2, rel=0.2)
    for places in (across, below):
        assert 0.25 < places.min() < places.max() < 0.48
