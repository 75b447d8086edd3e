"""The `evaluation` section: metrics over the test set."""

from pydantic import Field

from pipeline.config.section import Section


class EvaluationConfig(Section):
    """How predictions become decisions and intervals."""

    threshold: float = Field(0.5, gt=0, lt=1)
    """Probability from which a face counts as fake, for accuracy and F1."""
    bootstrap: int = Field(1000, ge=100, le=100_000)
    """Resamples of the test persons for the 95 % interval of each AUC."""
