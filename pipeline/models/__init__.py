"""Forgery detectors: their networks, training and predictions."""
