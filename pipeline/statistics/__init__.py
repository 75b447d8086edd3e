"""Sampling, resampling and moments."""
