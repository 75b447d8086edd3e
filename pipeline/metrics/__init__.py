"""How well detectors perform on the test set."""
