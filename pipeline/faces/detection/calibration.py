"""The calibration of each face detector. Reading it loads no network."""

from pipeline.faces.detection.face_detector import BoxCalibration

CALIBRATIONS = {
    # Its box side is that of MTCNN on real clips. MTCNN's side is 1.185 of dlib's, and
    # its centre is higher by 0.06 of dlib's side.
    "centerface": BoxCalibration(scale=1 / 1.185, shift=0.06),
    # Measured against the boxes of dlib on 144 frames of real clips.
    "haar": BoxCalibration(scale=1 / 1.11, shift=0.08),
    "retinaface": BoxCalibration(scale=1.0, shift=0.0),  # not measured yet
}
