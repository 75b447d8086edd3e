"""Face detectors find the same faces alone, from other processes, in any batch."""

import multiprocessing

import cv2
import numpy as np
import pytest

from pipeline.faces.detection.haar import HaarDetector
from pipeline.faces.detection.retinaface import RetinaFaceDetector
from pipeline.faces.detection.service import RemoteDetector, serve_detector
from pipeline.videos.miniature.scene import real_frames
from tests.support.drawn import plain_scene


def drawn_frames(person: int, count: int = 1) -> np.ndarray:
    """Frames of a drawn person, (N, 240, 320, 3)."""
    return np.stack(list(real_frames(plain_scene(0, person, count))))


@pytest.mark.parametrize("enlarged", [1, 3])
def test_haar_finds_drawn_faces_at_their_places(enlarged):
    hits = 0
    for person in range(10):
        (pose,) = plain_scene(0, person, 2).poses(0)
        frame = drawn_frames(person, 2)[0]
        frame = cv2.resize(frame, None, fx=enlarged, fy=enlarged)
        (found,) = HaarDetector(0.15).detect(frame[None])
        x, y = (found.boxes[:, :2] + found.boxes[:, 2:]).T / 2 / enlarged
        near = np.abs(x - pose.x) < 0.4 * pose.half_width
        hits += (near & (np.abs(y - pose.y) < 0.6 * pose.half_width)).any()
    assert hits >= 9


def test_haar_finds_faces_down_to_the_configured_size():
    face = drawn_frames(0)[0]
    side = np.diff(HaarDetector(0.15).detect(face[None])[0].boxes[:, [0, 2]])[0, 0]
    frame = np.full((960, 1280, 3), 90, np.uint8)
    frame[300:540, 400:720] = face
    share = side / 960
    assert len(HaarDetector(0.7 * share).detect(frame[None])[0].boxes)
    assert not len(HaarDetector(1.5 * share).detect(frame[None])[0].boxes)


def test_haar_finds_the_same_faces_by_following_as_by_searching_each_frame():
    detector = HaarDetector(0.15)
    for person in range(6):
        film = drawn_frames(person, 40)[::5]
        alone = [detector.detect(frame[None])[0] for frame in film]
        for one, other in zip(detector.detect(film), alone, strict=True):
            assert len(one.boxes) == len(other.boxes) == 1
            side = other.boxes[0, 2] - other.boxes[0, 0]
            assert np.abs(one.boxes - other.boxes).max() < 0.15 * side


def test_haar_searches_the_complete_frame_after_a_face_is_lost():
    """A second face that appears beside the first is found in the next group."""
    face = drawn_frames(0)[0]
    left, right = (np.full((240, 640, 3), 90, np.uint8) for _ in range(2))
    left[:, :320], right[:, 320:] = face, face
    both = np.hstack([face, face])
    film = np.stack([left, right, right, left, both, both, left, right, both])
    found = [one.boxes[:, 0] > 320 for one in HaarDetector(0.15).detect(film)]
    found_sides = [sorted(sides.tolist()) for sides in found]
    one, other, both_sides = [False], [True], [False, True]
    expected = [one, other, other, one, one, one, one, other, both_sides]
    assert found_sides == expected


@pytest.fixture(scope="module")
def retinaface() -> RetinaFaceDetector:
    """RetinaFace with random weights, because the real weights need a download."""
    import torch

    torch.manual_seed(0)
    detector = RetinaFaceDetector(None, 640)
    for module in detector.network.modules():  # keeps activations finite and different
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(20.0)
    # With random weights all scores are low: keep the few highest scores.
    frames = np.stack([drawn_frames(0)[0], drawn_frames(3)[0]])
    with torch.inference_mode():
        outputs = detector.network(torch.from_numpy(frames).float())
    scores = np.concatenate([o[..., 2:].ravel().numpy() for o in outputs[::3]])
    detector.threshold, detector.batch_size = float(np.sort(scores)[-60]), 2
    return detector


def test_retinaface_in_batches_equals_the_package_on_single_images(retinaface):
    from retinaface import RetinaFace

    frames = np.stack([drawn_frames(0)[0], drawn_frames(3)[0]])
    compared = 0
    for frame, one in zip(frames, retinaface.detect(frames), strict=True):
        theirs = RetinaFace.detect_faces(
            frame[..., ::-1],
            threshold=retinaface.threshold,
            model=retinaface.network,
            allow_upscaling=False,
        )
        assert abs(len(one.boxes) - len(theirs)) <= 1  # a score at the threshold
        for face in theirs.values():
            gap = np.abs(one.boxes - face["facial_area"]).max(1)
            if gap.min() > 1.5:  # whole px, and frames resized by another library
                continue
            k = gap.argmin()
            points = np.array(list(face["landmarks"].values()))
            assert one.scores[k] == pytest.approx(face["score"], abs=1e-3)
            assert one.landmarks[k] == pytest.approx(points, abs=0.5)
            compared += 1
    assert compared > 10


def same(one, other) -> bool:
    parts = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in parts)


def test_detections_in_a_frame_do_not_depend_on_other_frames(retinaface, monkeypatch):
    monkeypatch.setattr(retinaface, "batch_size", 4)
    frames = drawn_frames(3, 6)
    alone = [retinaface.detect(frame[None])[0] for frame in frames[:2]]
    together = retinaface.detect(frames)
    assert sum(len(one.boxes) for one in alone)
    assert all(same(a, b) for a, b in zip(alone, together, strict=False))


class OneByOne:
    """The Haar cascade, as a detector that can be served."""

    def __init__(self):
        self.own = HaarDetector(0.15)

    def detect_films(self, films):
        return [self.own.detect(frames) for frames in films]


def detect_in_another_process(address, calibration, frames, answers):
    detector = RemoteDetector(address, calibration, 640)
    for batch in frames:
        answers.put([len(one.boxes) for one in detector.detect(batch)])
        answers.put(detector.detect(batch))


def test_a_detector_serves_several_processes():
    own, context = HaarDetector(0.15), multiprocessing.get_context("spawn")
    answers, frames = context.Queue(), [drawn_frames(0, 3), drawn_frames(4, 2)]
    with serve_detector(OneByOne(), threads=1) as address:
        args = (address, own.calibration, frames, answers)
        workers = [
            context.Process(target=detect_in_another_process, args=args)
            for _ in range(2)
        ]
        for worker in workers:
            worker.start()
        given = [answers.get(timeout=60) for _ in range(8)]
        for worker in workers:
            worker.join(10)
    found = [answer for answer in given if not isinstance(answer[0], int)]
    expected = {len(batch): own.detect(batch) for batch in frames}
    assert len(found) == 4
    for answer in found:
        pairs = zip(answer, expected[len(answer)], strict=True)
        assert all(same(a, b) for a, b in pairs)


class Broken:
    calibration = HaarDetector.calibration

    def detect_films(self, films):
        raise RuntimeError("CUDA out of memory")


def test_an_error_of_a_served_detector_is_raised_in_the_worker():
    with serve_detector(Broken(), threads=1) as address:
        detector = RemoteDetector(address, Broken.calibration, 640)
        with pytest.raises(RuntimeError, match="out of memory"):
            detector.detect(drawn_frames(0))
