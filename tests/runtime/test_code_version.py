"""Fingerprints of code: code that runs counts, comments and docstrings do not."""

import shutil

import pytest

import pipeline.runtime.code_version as module

PACKAGE = module.PACKAGE
STEPS = sorted(p.stem for p in PACKAGE.glob("*.py") if "__main__" in p.read_text())


def clear_caches() -> None:
    module._facts.cache_clear()
    module._file.cache_clear()
    module._cache.clear()


@pytest.fixture
def versions(tmp_path, monkeypatch):
    """A copy of the package that a test may edit, and a function that returns the code
    version of each step in it."""
    package = tmp_path / "pipeline"
    shutil.copytree(PACKAGE, package)
    monkeypatch.setattr(module, "PACKAGE", package)

    def read():
        clear_caches()
        return {step: module.code_version(step) for step in STEPS}

    yield package, read
    clear_caches()


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def changed(before, after):
    return {step for step in before if before[step] != after[step]}


# An edit of a module, and the steps that reach the module.
EDITS = {
    ("faces/cropping.py", "cv2.INTER_AREA", "cv2.INTER_CUBIC"): {
        *("extract_faces", "align_originals"),
    },
    ("attributions/integration_path.py", "SHARE = 0.5", "SHARE = 0.4"): {
        *("attribute_frames", "measure_controls"),
    },
    # Imported inside a function, only if captum is asked for.
    ("attributions/captum_engine.py", '"gausslegendre"', '"riemann_right"'): {
        *("attribute_frames", "measure_controls"),
    },
    ("models/networks.py", "squeeze(1)", "squeeze(-1)"): {
        *("train_model", "predict_frames", "attribute_frames", "measure_controls"),
    },
    ("models/header.py", "VERSION = ", "VERSION = 7 + "): {
        *("train_model", "predict_frames", "attribute_frames", "measure_controls"),
        *("write_model_card", "collect_metrics", "build_report"),
    },
    ("report/sections.py", "How well the detectors", "How badly detectors"): {
        "build_report",
    },
    ("config/attribution.py", "Field(257", "Field(258"): {
        *("attribute_frames", "measure_controls"),
    },
    # Nothing in this package may change a result.
    ("runtime/devices.py", "M_MMAP_MAX = ", "M_MMAP_MAX = 7 + "): set(),
}


@pytest.mark.parametrize("change", EDITS, ids=lambda change: change[0])
def test_an_edit_changes_only_the_steps_that_reach_the_module(versions, change):
    package, read = versions
    before = read()
    name, old, new = change
    edit(package / name, old, new)
    assert changed(before, read()) == EDITS[change]


def test_steps_without_figures_do_not_depend_on_the_figures_look(versions):
    package, read = versions
    before = read()
    edit(package / "files/figures.py", "dpi=150", "dpi=100")
    drawing = changed(before, read())
    assert {"plot_history", "draw_atlas", "draw_auc", "draw_scores"} <= drawing
    computing = {"train_model", "predict_frames", "attribute_frames", "extract_faces"}
    assert not drawing & (computing | {"evaluate_model", "cluster_maps"})


def test_comments_and_docstrings_do_not_count(versions):
    package, read = versions
    before = read()
    for file in package.rglob("*.py"):
        text = file.read_text()
        file.write_text("# a comment\n\n" + text.replace('"""', '"""Reworded. ', 1))
    assert changed(before, read()) == set()


def test_a_cached_version_equals_a_computed_one(versions, tmp_path):
    package, read = versions
    file = tmp_path / "versions.json"
    computed = read()
    module.save_cache(file)
    clear_caches()
    module.use_cache(file)
    assert {step: module.code_version(step) for step in STEPS} == computed
    edit(package / "faces/cropping.py", "cv2.INTER_AREA", "cv2.INTER_CUBIC")
    clear_caches()
    module.use_cache(file)
    edited = {step: module.code_version(step) for step in STEPS}
    assert edited == read()
    assert edited != computed


def test_a_damaged_cache_is_ignored(versions, tmp_path):
    _, read = versions
    computed = read()
    file = tmp_path / "versions.json"
    file.write_text("{")
    module.use_cache(file)
    module._facts.cache_clear()
    assert {step: module.code_version(step) for step in STEPS} == computed
