"""The `evaluation` section: metrics over the test set."""

from pydantic import Field

from pipeline.config.section import Section


class EvaluationConfig(Section):
    """How metrics get their intervals; decisions are made at validation's threshold."""

    bootstrap: int = Field(1000, ge=100, le=100_000)
    """Resamples of the test persons for the 95 % interval of each metric."""
