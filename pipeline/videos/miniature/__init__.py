"""The miniature corpus: drawn faces in FaceForensics++'s layout, for demo and tests."""
