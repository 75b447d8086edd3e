"""From face-forgery videos to detectors, metrics and attribution atlases."""
