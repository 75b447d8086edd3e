"""The imports of steps. A library that a step does not use slows down each job."""

import subprocess
import sys

import pytest

from tests.support.runs import REPOSITORY

# Steps that compute nothing with torch.
WITHOUT_TORCH = (
    "build_report",
    "checksum_videos",
    "choose_operating_point",
    "cluster_maps",
    "collect_metrics",
    "collect_references",
    "compare_atlases",
    "compare_baselines",
    "compare_models",
    "describe_run",
    "draw_atlas",
    "draw_auc",
    "draw_baselines",
    "draw_comparison",
    "draw_contact_sheet",
    "draw_interventions",
    "draw_scores",
    "evaluate_model",
    "export_virelay",
    "index_videos",
    "list_leftovers",
    "mark_significant",
    "plot_history",
    "predict_videos",
    "sum_attributions",
    "summarize_controls",
    "summarize_faces",
    "write_model_card",
)


@pytest.mark.parametrize(
    ("steps", "library"),
    [
        pytest.param(WITHOUT_TORCH, "torch", id="torch"),
        # Only the engine `captum` needs it.
        pytest.param(("attribute_frames",), "captum", id="captum"),
    ],
)
def test_steps_do_not_import_a_library_that_they_do_not_use(steps, library):
    names = ", ".join(f"pipeline.{step}" for step in steps)
    code = f"import sys, {names}; sys.exit({library!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr or f"{library} is imported"
