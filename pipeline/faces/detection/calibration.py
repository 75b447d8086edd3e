"""The calibration of each face detector. Reading it loads no network."""

from pipeline.faces.detection.face_detector import BoxCalibration

CALIBRATIONS = {
    # Measured against the boxes of dlib on 219 faces in photographs. Quartiles of the
    # side: 1.119 to 1.277 of dlib's; of the shift: 0.020 to 0.102.
    "centerface": BoxCalibration(scale=1 / 1.194, shift=0.058),
    # Measured against the boxes of dlib on 144 frames of real clips.
    "haar": BoxCalibration(scale=1 / 1.11, shift=0.08),
    "retinaface": BoxCalibration(scale=1.0, shift=0.0),  # not measured yet
}


def face_detector_entry(name: str) -> dict[str, str | float]:
    """What is recorded of a face detector in each file made with it, as JSON values.

    Crops of different entries show faces in different sizes and places.
    """
    calibration = CALIBRATIONS[name]
    return {"name": name, "scale": calibration.scale, "shift": calibration.shift}
