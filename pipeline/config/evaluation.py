"""The `evaluation` section: metrics over the test set."""

from typing import ClassVar

from pydantic import Field

from pipeline.config.section import Reruns, Section


class EvaluationConfig(Section):
    """How the confidence intervals of metrics are computed."""

    reruns: ClassVar[Reruns] = Reruns(
        *("evaluate_model", "compare_models", "sum_attributions", "cluster_maps"),
        "summarize_controls",
    )

    bootstrap: int = Field(1000, ge=100, le=100_000)
    """Number of bootstrap resamples for the 95 % interval of each metric. Each resample
    draws units (such as pairs of persons) with replacement."""
