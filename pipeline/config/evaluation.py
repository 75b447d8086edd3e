"""The `evaluation` section: metrics over the test set."""

from typing import ClassVar

from pydantic import Field

from pipeline.config.section import Reruns, Section


class EvaluationConfig(Section):
    """How metrics get their intervals; decisions are made at validation's threshold."""

    reruns: ClassVar[Reruns] = Reruns(
        "evaluate_model", "compare_models", "sum_attributions", "cluster_maps"
    )

    bootstrap: int = Field(1000, ge=100, le=100_000)
    """Resamples of the test persons for the 95 % interval of each metric."""
