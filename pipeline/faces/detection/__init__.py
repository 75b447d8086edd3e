"""Find faces in frames with one of three face detectors."""
