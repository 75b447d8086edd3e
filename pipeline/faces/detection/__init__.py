"""Find faces in frames with one of two face detectors."""
