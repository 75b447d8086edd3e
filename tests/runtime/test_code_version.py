"""Fingerprints of code: what runs counts, what only reads does not."""

import shutil
from pathlib import Path

import pytest

import pipeline.runtime.code_version as module

PACKAGE = Path(module.__file__).parent
STEPS = sorted(p.stem for p in PACKAGE.glob("*.py") if "__main__" in p.read_text())


def forget() -> None:
    for known in (module._tree, module._imports, module._code):
        known.cache_clear()


@pytest.fixture
def versions(tmp_path, monkeypatch):
    """Versions of all steps in a copy of the package, which the test may edit."""
    package = tmp_path / "pipeline"
    shutil.copytree(PACKAGE, package)
    monkeypatch.setattr(module, "PACKAGE", package)

    def read():
        forget()
        return {step: module.code_version(step) for step in STEPS}

    yield package, read
    forget()


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def changed(before, after):
    return {step for step in before if before[step] != after[step]}


def test_a_shared_module_changes_the_steps_that_reach_it(versions):
    package, read = versions
    before = read()
    edit(package / "cropping.py", "cv2.INTER_AREA", "cv2.INTER_CUBIC")
    assert changed(before, read()) == {"extract_faces", "align_originals"}
    before = read()
    edit(package / "integration_path.py", "HARD = 0.5", "HARD = 0.4")
    assert changed(before, read()) == {"attribute_frames"}
    before = read()
    edit(package / "networks.py", 'VERSION = "deepfake', 'VERSION = "Deepfake')
    weights = {"train_model", "predict_frames", "attribute_frames"}
    expected = weights | {"write_model_card"}
    assert changed(before, read()) == expected
    before = read()
    edit(package / "figures.py", "dpi=150", "dpi=100")  # no picture touches the GPU
    expected = {"plot_history", "evaluate_model", "draw_atlas", "collect_metrics"}
    expected |= {"write_model_card", "cluster_maps"}
    expected |= {"compare_baselines", "compare_atlases"}
    assert changed(before, read()) == expected


def test_comments_docstrings_layout_and_times_change_nothing(versions):
    package, read = versions
    before = read()
    for file in package.rglob("*.py"):
        text = file.read_text()
        file.write_text("# a comment\n\n" + text.replace('"""', '"""Reworded. ', 1))
    assert changed(before, read()) == set()


def test_a_section_changes_only_its_own_steps(versions):
    package, read = versions
    before = read()
    edit(package / "config/attribution.py", "Field(257", "Field(258")
    assert changed(before, read()) == {"attribute_frames"}
