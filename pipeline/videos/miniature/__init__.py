"""Draw the miniature corpus: faces and forgeries in FaceForensics++'s layout."""
