"""Failures that the user can fix."""


class StepError(RuntimeError):
    """A step cannot continue. The message names the file and the remedy."""
