"""How well detectors do on the test set."""
