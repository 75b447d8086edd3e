"""Failures that the user can mend."""


class StepError(RuntimeError):
    """A step that cannot go on; its message names the file and the remedy."""
