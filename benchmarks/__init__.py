"""Measurements of the pipeline's speed and file formats, compared with common tools."""
