"""Read and write files: one module for each kind of file."""
