"""Sampling, resampling, moments and random seeds."""
