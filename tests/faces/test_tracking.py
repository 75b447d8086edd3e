"""A face is followed through a video, whatever else is in the frames."""

import cv2
import numpy as np
import pytest

from pipeline.config.faces import FacesConfig
from pipeline.faces.alignment import PLACES, TEMPLATE, alignments
from pipeline.faces.appearance import colours, histogram_overlap
from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.extraction import MaskVideos, extract_video
from pipeline.faces.tracking import Sightings, follow_faces
from pipeline.videos.miniature.corpus import write_video
from pipeline.videos.miniature.scene import Scene, real_frames
from tests.support.drawn import empty_room, plain_scene

LOOKS = np.eye(64, dtype=np.float32)  # histograms that do not overlap


def sightings(*frames: list[tuple], step: float = 0.5, scenes=None) -> Sightings:
    """Detections as (left, top, right, bottom, look), frame by frame."""
    rows = [(index, *one) for index, frame in enumerate(frames) for one in frame]
    scenes = scenes or [0] * len(frames)
    return Sightings(
        np.arange(len(frames)) * step,
        LOOKS[scenes],
        np.array([row[0] for row in rows], int),
        np.array([row[1:5] for row in rows], np.float32).reshape(-1, 4),
        np.ones(len(rows), np.float32),
        np.full((len(rows), 5, 2), np.nan, np.float32),
        LOOKS[[row[5] for row in rows]],
    )


def moving(index: int, look: int = 0) -> tuple:
    return (100 + 5 * index, 80, 180 + 5 * index, 160, look)


def test_a_passer_by_does_not_replace_the_face():
    frames = [[moving(i)] for i in range(8)]
    frames[2] = [(20, 10, 170, 160, 1), moving(2)]  # larger, but in one frame only
    frames[5] = [(300, 20, 330, 50, 2)]  # the subject is missed
    (track,) = follow_faces(sightings(*frames), 1, 1)
    assert track.frame.tolist() == list(range(8))
    assert track.interpolated.tolist() == [i == 5 for i in range(8)]
    assert np.allclose(track.boxes, [moving(i)[:4] for i in range(8)])
    assert np.isnan(track.scores[5])


def test_a_false_detection_near_the_face_is_ignored():
    frames = [[moving(0)] for _ in range(6)]
    frames[3] = [(140, 120, 220, 200, 3)]  # half on the face, with other colours
    (track,) = follow_faces(sightings(*frames), 1, 1)
    assert np.allclose(track.boxes, [moving(0)[:4]] * 6)
    assert track.interpolated.tolist() == [i == 3 for i in range(6)]


def test_a_long_gap_is_not_interpolated():
    frames = [[moving(0)] if i < 4 or i > 8 else [] for i in range(12)]
    (track,) = follow_faces(sightings(*frames), 1, 1)
    assert track.frame.tolist() == [0, 1, 2, 3, 9, 10, 11]
    assert not track.interpolated.any()


def test_a_track_has_no_frames_before_and_after_its_detections():
    frames = [[], [moving(1)], [moving(2)], []]
    (track,) = follow_faces(sightings(*frames), 1, 1)
    assert track.frame.tolist() == [1, 2]


def test_a_cut_ends_a_track_unless_the_same_face_is_after_it():
    place = (100, 80, 180, 160)
    looks, scenes = [0] * 5 + [1] * 3 + [0] * 4, [0] * 5 + [1] * 3 + [2] * 4
    frames = [[(*place, look)] for look in looks]
    main, other = follow_faces(sightings(*frames, scenes=scenes), 1)
    assert main.frame.tolist() == [0, 1, 2, 3, 4, 8, 9, 10, 11]
    assert other.frame.tolist() == [5, 6, 7]


def test_all_faces_are_followed_largest_first_and_rare_detections_are_dropped():
    frames = [[(10, 10, 50, 50, 1), (200, 10, 290, 100, 2)] for _ in range(6)]
    frames[1] += [(400, 10, 460, 70, 3)]
    tracks = follow_faces(sightings(*frames), 2)
    assert [track.boxes[0, 0] for track in tracks] == [200, 10]
    assert follow_faces(sightings([], []), 1) == []


def test_sizes_are_smoothed_and_centres_far_apart_in_time_are_not():
    rng = np.random.default_rng(0)
    true = [(100 + 20 * i, 80, 180 + 20 * i, 160) for i in range(40)]
    noisy = [[(*box[:2], *np.add(box[2:], rng.normal(0, 6)), 0)] for box in true]
    (track,) = follow_faces(sightings(*noisy), 1, 1)
    side = track.steady[:, 2] - track.steady[:, 0]
    assert side.std() < 0.7 * (track.boxes[:, 2] - track.boxes[:, 0]).std()
    centre = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2
    assert np.allclose(
        (track.steady[:, :2] + track.steady[:, 2:]) / 2, centre, atol=0.1
    )


def test_colours_change_little_with_brightness_and_much_with_the_scene():
    rng = np.random.default_rng(0)
    one, other = (
        rng.integers(*span, (40, 40, 3), np.uint8) for span in ((0, 99), (150, 250))
    )
    assert colours(one).sum() == pytest.approx(1)
    assert histogram_overlap(colours(one), colours(one + 8)) > 0.85
    assert histogram_overlap(colours(one), colours(other)) < 0.2


# --- extraction of drawn videos ------------------------------------------------------

CONFIG = FacesConfig(frames=12, size=64, faces="all")


def film(person: int, frames: int = 48) -> tuple[Scene, list[np.ndarray]]:
    scene = plain_scene(7, person, frames)
    return scene, list(real_frames(scene))


def extracted(folder, frames, **changes):
    write_video(folder / "film.mp4", frames, 18)
    config = CONFIG.model_copy(update=changes)
    return extract_video(folder / "film.mp4", MaskVideos(), HaarDetector(0.15), config)


def centres(faces, subject=0) -> dict[int, np.ndarray]:
    """Centres of a subject's face, by frame number."""
    own = faces.frames["subject"] == subject
    boxes = faces.frames["face"][own]
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return dict(zip(faces.frames["number"][own].tolist(), middles, strict=True))


def follows(
    found: dict[int, np.ndarray], scene: Scene, first=0, x=0.0, scale=1.0
) -> bool:
    """Whether a track is where the head was drawn."""
    poses = [scene.poses(number - first)[0] for number in found]
    return all(
        abs(at[0] - x - scale * pose.x) < 0.35 * scale * pose.half_width
        for at, pose in zip(found.values(), poses, strict=True)
    )


def test_two_faces_in_a_frame(tmp_path):
    (near, large), (far, small) = film(0), film(1)
    frames = []
    for one, other in zip(large, small, strict=True):
        frame = cv2.resize(one, (640, 480), interpolation=cv2.INTER_CUBIC)
        wide = np.hstack([frame, np.full((480, 320, 3), 90, np.uint8)])
        wide[240:, 640:] = other
        frames.append(wide)
    both = extracted(tmp_path, frames)
    assert (both.status, len(both.crops)) == ("ok", 24)
    assert follows(centres(both, 0), near, scale=2.0)
    assert follows(centres(both, 1), far, x=640)
    largest = extracted(tmp_path, frames, faces="largest")
    assert np.array_equal(largest.crops, both.crops[:12])


def test_a_face_that_leaves_and_returns(tmp_path):
    scene, frames = film(2)
    frames[12:32] = [empty_room(scene)] * 20
    faces = extracted(tmp_path, frames)
    found = centres(faces)
    assert list(found) == [2, 6, 10, 34, 38, 42, 46]
    assert follows(found, scene)
    assert faces.status == "partial"
    assert faces.reason == "the face is seen in 7 of the 12 frames looked at"
    assert set(faces.frames["subject"]) == {0}


def test_a_short_gap_without_the_face_gives_no_crops(tmp_path):
    """Two missed frames would be interpolated, but they show no face."""
    scene, frames = film(2)
    frames[21:29] = [empty_room(scene)] * 8
    assert list(centres(extracted(tmp_path, frames))) == [
        n for n in range(2, 48, 4) if not 21 <= n < 29
    ]


@pytest.mark.parametrize("persons", [(4, 5), (2, 3), (0, 6)])
def test_a_cut_to_another_person(tmp_path, persons):
    (first, one), (second, other) = map(film, persons)
    faces = extracted(tmp_path, one[:30] + other[:18])
    main, rest = centres(faces, 0), centres(faces, 1)
    assert list(main) == [2, 6, 10, 14, 18, 22, 26]
    assert list(rest) == [30, 34, 38, 42, 46]
    assert follows(main, first)
    assert follows(rest, second, first=30)


# --- alignment ----------------------------------------------------------------------


def test_alignment_undoes_rotation_scaling_and_shift():
    rng = np.random.default_rng(0)
    wanted = ((PLACES - 0.5) / 1.3 + 0.5) * 96 - 0.5
    for _ in range(20):
        angle, scale = rng.uniform(-3, 3), rng.uniform(0.2, 9)
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        landmarks = wanted @ turn.T + rng.uniform(-500, 500, 2)
        (matrix,) = alignments(landmarks[None].astype(np.float32), 1.3, 96)
        brought = np.c_[landmarks, np.ones(5)] @ matrix.T
        assert np.allclose(brought, wanted, atol=0.02)


def test_alignment_is_the_least_squares_fit():
    """It equals a direct solution: a similarity is linear in four numbers."""
    rng = np.random.default_rng(1)
    wanted = ((PLACES - 0.5) / 1.3 + 0.5) * 96 - 0.5
    landmarks = TEMPLATE * 2 + rng.normal(0, 6, (5, 2))
    (matrix,) = alignments(landmarks[None].astype(np.float32), 1.3, 96)
    x, y = landmarks.T
    ones, none = np.ones(5), np.zeros(5)
    rows = np.r_[np.c_[x, -y, ones, none], np.c_[y, x, none, ones]]
    a, b, dx, dy = np.linalg.lstsq(rows, wanted.T.ravel(), rcond=None)[0]
    assert np.allclose(matrix, [[a, -b, dx], [b, a, dy]], atol=1e-3)


def test_without_landmarks_there_is_no_alignment():
    assert np.isnan(alignments(np.full((2, 5, 2), np.nan, np.float32), 1.3, 96)).all()
