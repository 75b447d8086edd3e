"""Decode chosen frames of a video, by one of three libraries."""
