"""Forgery detectors: data, training and inference."""
