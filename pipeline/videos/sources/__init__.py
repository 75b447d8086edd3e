"""The sources of videos: one module for each data set; all give the same table."""
