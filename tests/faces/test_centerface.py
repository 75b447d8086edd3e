"""CenterFace computes what OpenCV computes, and follows faces as if it searched."""

import shutil

import cv2
import numpy as np
import pytest
import torch

from pipeline.config.faces import FacesConfig
from pipeline.faces.detection.centerface import CenterFaceDetector
from pipeline.faces.detection.centerface_file import centerface_file
from pipeline.faces.detection.close_ups import CLOSE_UP, FACE_SIDE, close_up_of
from pipeline.faces.detection.face_detector import GROUP_SIZE
from pipeline.faces.detection.onnx_network import OnnxNetwork
from pipeline.faces.detection.service import RemoteDetector, serve_detector
from pipeline.faces.detection.shrinking import enlarge, shrink
from pipeline.runtime.errors import StepError
from pipeline.videos.miniature.scene import make_scene, real_frames, take
from tests.support.drawn import plain_scene

DEFAULTS = FacesConfig()
THRESHOLD = DEFAULTS.detection_threshold


@pytest.fixture(scope="module")
def detector() -> CenterFaceDetector:
    return CenterFaceDetector(DEFAULTS.detection_size, THRESHOLD)


def film(person: int, count: int, size=(320, 240)) -> np.ndarray:
    """Every fifth of `count` frames of a drawn person."""
    frames = list(real_frames(plain_scene(0, person, count)))[::5]
    return np.stack([cv2.resize(frame, size) for frame in frames])


def side(box: np.ndarray) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))


def gap(one, other) -> float:
    """The largest distance of the corners of two boxes, in sides."""
    return float(np.abs(one - other).max() / side(other))


# --- the network ------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 96), (224, 160)])
def test_the_network_equals_opencvs(detector, size):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, *size)).astype("f4")
    # OpenCV keeps shapes of an earlier input: a new network for each size.
    net = cv2.dnn.readNetFromONNX(str(centerface_file()))
    net.setInput(images[:1])
    expected = net.forward(detector.network.outputs)
    with torch.inference_mode():
        found = detector.network(torch.from_numpy(images))
    for one, other in zip(found, expected, strict=True):
        assert one[:1].numpy() == pytest.approx(other, abs=1e-3)


def test_decoding_equals_a_loop_over_the_heat_map(detector):
    """The loop is written from the description of the network's outputs."""
    frame = film(2, 1)[0][:224, :320]
    with torch.inference_mode():
        images = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
        heat, extent, offset, points = (
            part[0].numpy() for part in detector.network(images)
        )
    row, column = np.unravel_index(heat[0].argmax(), heat[0].shape)
    height, width = 4 * np.exp(extent[:, row, column])
    y, x = (4 * (np.array([row, column]) + 0.5 + offset[:, row, column])).tolist()
    left, top = x - width / 2, y - height / 2
    (found,) = detector.search(frame[None])
    assert found.scores[0] == pytest.approx(heat.max())
    box = [left, top, left + width, top + height]
    assert found.boxes[0] == pytest.approx(box, abs=0.01)
    for k in range(5):
        down, right = points[2 * k : 2 * k + 2, row, column]
        place = [left + right * width, top + down * height]
        assert found.landmarks[0, k] == pytest.approx(place, abs=0.01)


def test_an_unknown_operator_is_refused(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"
    ]
    nodes = [helper.make_node("Softplus", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), str(tmp_path / "n.onnx"))
    with pytest.raises(StepError, match="has the operator Softplus"):
        OnnxNetwork(tmp_path / "n.onnx")


# --- the file ---------------------------------------------------------------------


def test_a_missing_file_names_the_remedy(monkeypatch):
    monkeypatch.setattr(
        "pipeline.faces.detection.centerface_file.PACKAGE", "no_such_package"
    )
    with pytest.raises(StepError, match=r"is not installed.*`make install`"):
        CenterFaceDetector(640, 0.5)


def test_a_changed_file_names_the_remedy(monkeypatch, tmp_path):
    package = tmp_path / "changed_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    shutil.copy(centerface_file(), package)
    with open(package / "centerface.onnx", "ab") as file:
        file.write(b"\0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        "pipeline.faces.detection.centerface_file.PACKAGE", package.name
    )
    with pytest.raises(StepError, match=r"not the file.*SHA-256.*`make install`"):
        CenterFaceDetector(640, 0.5)


# --- faces ------------------------------------------------------------------------


def test_nearly_all_faces_of_the_miniature_are_found_and_nothing_else(detector):
    """With the defaults, which real clips get. Each person of the default corpus."""
    faces = found = frames = false = 0
    for person in range(98):
        scene = make_scene(0, person, (6, 6))
        (seen,) = detector.detect(take(scene, 3).frame[None])
        middles = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
        for pose in scene.poses(3):
            near = np.hypot(*(middles - [pose.x, pose.y]).T) < 0.6 * pose.half_width
            found += bool(near.any())
            middles = middles[~near]
            faces += 1
        false += len(middles)
        frames += 1
    assert faces > frames  # some scenes have a bystander
    assert found >= 0.98 * faces
    assert false <= frames / 100


def test_landmarks_are_from_left_to_right_and_from_top_to_bottom(detector):
    (found,) = detector.detect(film(3, 1))
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    left, top, right, bottom = found.boxes[0]
    assert (
        (found.landmarks[0] > [left, top]) & (found.landmarks[0] < [right, bottom])
    ).all()


def test_padding_and_neighbours_change_no_box(detector, monkeypatch):
    frames = film(2, 11)[:3, :231, :301]  # no multiples of 32
    alone = [detector.search(frame[None])[0] for frame in frames]
    padded = np.pad(frames, [(0, 0), (0, 25), (0, 19), (0, 0)])
    sizes = detector.batches._replace(frames=4, padded=True)
    monkeypatch.setattr(detector, "batches", sizes)
    for others in (detector.search(frames), detector.search(padded)):
        for one, other in zip(alone, others, strict=True):
            assert one.boxes[0] == pytest.approx(other.boxes[0], abs=0.5)


def test_a_film_is_found_alone_as_with_films_of_other_sizes(detector):
    films = [film(2, 50), film(3, 15, (200, 150)), film(0, 1)[:0], film(5, 6)]
    together = detector.detect_films(films)
    assert [len(found) for found in together] == [10, 3, 0, 2]
    for frames, found in zip(films, together, strict=True):
        (alone,) = detector.detect_films([frames])
        for one, other in zip(found, alone, strict=True):
            assert one.boxes == pytest.approx(other.boxes, abs=0.5)


def test_following_agrees_with_searching_each_frame(monkeypatch):
    # With the default threshold, one drawn face in a hundred is not found alone.
    detector = CenterFaceDetector(DEFAULTS.detection_size, 0.3)
    gaps, searched = [], []
    search = detector.search
    monkeypatch.setattr(
        detector,
        "search",
        lambda frames, lowest: searched.append(len(frames)) or search(frames, lowest),
    )
    for person in (1, 2, 3):
        frames = film(person, 5 * GROUP_SIZE)
        followed = detector.detect(frames)
        assert searched == [1]  # the first frame of the group
        for one, frame in zip(followed, frames, strict=True):
            (other,) = detector.detect(frame[None])
            assert len(one.boxes) == len(other.boxes) == 1
            gaps.append(gap(one.boxes[0], other.boxes[0]))
        searched.clear()
    assert max(gaps) < 0.12
    assert np.median(gaps) < 0.04


def test_the_complete_frame_is_searched_after_a_face_is_lost(detector):
    face = film(2, 1)[0]
    left, right = (np.full((240, 640, 3), 90, np.uint8) for _ in range(2))
    left[:, :320], right[:, 320:] = face, face
    both = np.hstack([face, face])
    frames = np.stack([left, right, right, left, both, both, left, right, both])
    found = [one.boxes[:, 0] > 320 for one in detector.detect(frames)]
    sides = [sorted(sides.tolist()) for sides in found]
    one, other, both_sides = [False], [True], [False, True]
    assert sides == [one, other, other, one, one, one, one, other, both_sides]


def test_a_frame_without_a_face_gives_none(detector):
    for size in ((240, 320), (1, 1), (3, 700), (1000, 2)):
        frames = np.full((9, *size, 3), 90, np.uint8)
        assert [len(one.boxes) for one in detector.detect(frames)] == [0] * 9


def test_close_ups_of_large_faces_are_shrunk_and_end_at_the_frame():
    frame = np.full((300, 400, 3), 200, np.uint8)
    cut = close_up_of(np.array([-20.0, 10, 180, 210]))  # 200 px: shrunk
    assert cut.side == CLOSE_UP * 200 / FACE_SIDE
    picture = cut.cut(frame)
    assert picture.shape == (CLOSE_UP, CLOSE_UP, 3)
    bright = np.argwhere(picture[..., 0] > 100)[:, ::-1] + 0.5
    assert cut.to_frame(bright).min() >= 0
    assert (picture[:, 0] == 0).all()
    small = close_up_of(np.array([100.0, 100, 130, 130]))
    assert small.side == CLOSE_UP  # not enlarged


def test_frames_are_shrunk_and_never_enlarged():
    frames = np.random.default_rng(0).integers(0, 256, (2, 90, 120, 3), np.uint8)
    assert shrink(frames, 120) is frames
    small = shrink(frames, 60)
    means = frames.reshape(2, 45, 2, 60, 2, 3).mean((2, 4))
    assert np.abs(small - means).max() <= 0.5
    assert shrink(np.zeros((1, 7, 6000, 3), np.uint8), 640).shape == (1, 1, 640, 3)
    large = film(2, 1, (960, 720))
    detector = CenterFaceDetector(320, THRESHOLD)
    (one,), (other,) = detector.detect(large), detector.detect(shrink(large, 320))
    assert one.boxes == pytest.approx(3 * other.boxes)
    assert enlarge(other, large, large) is other


@pytest.mark.parametrize("threads", [1, 2])
def test_a_served_detector_finds_what_it_finds_directly(detector, threads):
    films = [film(2, 20, (960, 720)), film(3, 10)]
    with serve_detector(detector, threads) as address:
        served = RemoteDetector(address, detector.calibration, detector.max_side)
        for frames in films:
            for one, other in zip(
                served.detect(frames), detector.detect(frames), strict=True
            ):
                assert np.array_equal(one.boxes, other.boxes)
                assert np.array_equal(one.landmarks, other.landmarks)
