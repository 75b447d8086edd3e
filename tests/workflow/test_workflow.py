"""The workflow: what makes which steps stale, on a small run really executed."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.support.runs import REPORT, REPOSITORY, Run

SHARDS = ("miniature-test-000", "miniature-test-001")


@pytest.fixture
def run(finished, tmp_path) -> Run:
    return finished.copy(tmp_path / "run")


@pytest.fixture
def clone(run, tmp_path) -> Run:
    """The finished run, driven from a fresh copy of the code, which may be edited."""
    repository = tmp_path / "clone"
    unwanted = shutil.ignore_patterns(
        *(".venv", ".git", ".snakemake", "results", "data", "build"),
        *("__pycache__", ".*_cache"),
    )
    shutil.copytree(REPOSITORY, repository, ignore=unwanted)
    for file in repository.rglob("*"):
        os.utime(file)  # a clone's files are all new
    return Run(run.folder, repository)


def of_model(model: str) -> set[str]:
    """Jobs that depend on a model's training."""
    jobs = {
        f"{rule} {model} all" for rule in ("plot_history", "choose_operating_point")
    }
    jobs |= {
        f"predict_frames {model} all {shard}"
        for shard in (*SHARDS, "miniature-val-000")
    }
    jobs |= {f"attribute_frames {model} all black {shard}" for shard in SHARDS}
    return jobs | controls(model) | of_scores(model)


MODELS = ("small", "other")
OVER_ALL = {"collect_metrics", "draw_auc", "compare_models"}


def of_metrics(model: str) -> set[str]:
    """Jobs that depend on a model's predictions of the test set alone."""
    return of_evaluation(model) | {f"predict_videos {model} all"}


def of_evaluation(model: str) -> set[str]:
    """Jobs that compute or show a model's metrics."""
    rules = ("evaluate_model", "draw_scores", "write_model_card")
    return OVER_ALL | {f"{rule} {model} all" for rule in rules}


def of_scores(model: str) -> set[str]:
    """Jobs that depend on a model's predictions and attributions of the test set."""
    return of_metrics(model) | of_maps(model)


def of_maps(model: str) -> set[str]:
    """Jobs that depend on a model's attributions of the test set."""
    rules = ("sum_attributions", "cluster_maps")
    jobs = {f"{rule} {model} all black" for rule in rules}
    rules = ("compare_baselines", "summarize_controls", "draw_interventions")
    jobs |= {f"{rule} {model} all" for rule in rules}
    return jobs | pictures_of_maps(model) | of_significance()


def of_significance() -> set[str]:
    """Jobs that depend on the joint test of the atlases of all models."""
    jobs = {"mark_significant", "compare_atlases black"}
    return jobs.union(*map(pictures_of_maps, MODELS))


def controls(model: str) -> set[str]:
    """The controls of a model in all test shards."""
    return {f"measure_controls {model} all {shard}" for shard in SHARDS}


def pictures_of_maps(model: str) -> set[str]:
    """Jobs that draw a model's attributions."""
    drawn = {f"draw_atlas {model} all black", f"draw_baselines {model} all"}
    return drawn | {"draw_comparison black"}


def of_shard(shard: str) -> set[str]:
    """Jobs that a shard's faces need, from its videos on."""
    rules = ("checksum_videos", "extract_faces", "draw_contact_sheet")
    return {"summarize_faces"} | {f"{rule} {shard}" for rule in rules}


def of_test_shard(shard: str) -> set[str]:
    """Jobs that depend on a test shard's videos."""
    # Originals of a shard's fakes may be in the other shard.
    jobs = of_shard(shard) | {"summarize_originals"}
    jobs |= {f"align_originals {other}" for other in SHARDS}
    for model in ("small", "other"):
        jobs |= of_scores(model) | controls(model)
        jobs |= {f"predict_frames {model} all {shard}"}
        jobs |= {f"attribute_frames {model} all black {shard}"}
    return jobs


def attributed() -> set[str]:
    """Both models' attributions, and all that depends on them."""
    maps = {f"attribute_frames {m} all black {s}" for m in MODELS for s in SHARDS}
    return maps.union(*map(of_maps, MODELS), *map(controls, MODELS))


def replace_video(run: Run, split: str = "test") -> tuple[str, Path]:
    """Put another video in the place of one of a split's; its shard and its path."""
    tables = sorted((run.folder / "results/videos").glob(f"miniature-{split}-*.csv"))
    table = pd.read_csv(tables[0], keep_default_na=False)
    fakes = table[table["label"] == 1]
    root = run.folder / "data/miniature"
    target, other = root / fakes["path"].iloc[0], root / fakes["path"].iloc[1]
    target.write_bytes(other.read_bytes())
    return tables[0].stem, target


def test_everything_asked_for_is_there(finished):
    results = finished.folder / "results"
    for model in ("small", "other"):
        for name in (
            f"models/{model}/all/weights.safetensors",
            f"models/{model}/all/history.csv",
            f"models/{model}/all/card.md",
            f"metrics/{model}/all/predictions/videos.csv",
            f"metrics/{model}/all/videos.csv",
            f"metrics/{model}/all/roc.png",
            f"atlases/{model}/all/black/atlas.png",
            f"atlases/{model}/all/black/gallery.png",
            f"atlases/{model}/all/black/masks.csv",
            f"atlases/{model}/all/black/clusters.png",
            f"atlases/{model}/all/baselines.csv",
            f"logs/train_model/{model}/all.log",
            f"benchmarks/train_model/{model}/all.tsv",
        ):
            assert (results / name).stat().st_size > 0, name
    assert not list(results.rglob("*.part*"))
    summary = pd.read_csv(results / "faces/summary.csv", keep_default_na=False)
    assert len(summary) == 30  # 3 pairs: 2 real videos and 8 fakes each
    frames = pd.concat(
        [
            pd.read_csv(results / f"metrics/small/all/predictions/{s}.csv")
            for s in SHARDS
        ]
    )
    crops = summary[summary.split == "test"]["crops"].sum()
    assert len(frames) == crops > 0


def test_finished_run_has_nothing_to_do(run):
    assert "Nothing to be done" in run.snakemake("all")


def test_touched_video_makes_nothing_stale(run):
    for file in (run.folder / "data").rglob("*.mp4"):
        os.utime(file)
    assert run.stale() == set()


def test_fresh_clone_comments_captions_and_readme_make_nothing_stale(clone):
    assert clone.stale() == set()
    for file in (clone.repository / "pipeline").rglob("*.py"):
        text = file.read_text().replace('"""', '"""Reworded. ', 1)
        file.write_text("# a comment\n\n" + text)
    (clone.repository / "README.md").write_text("edited")
    for caption in (clone.repository / "workflow/report").glob("*.rst"):
        caption.write_text("edited")
    assert clone.stale() == set()


def test_changed_video_makes_its_shard_stale_and_no_other(run):
    shard, _ = replace_video(run)
    assert run.stale() == of_test_shard(shard)


@pytest.mark.slow
def test_changed_video_changes_only_its_shard_and_the_tables_over_all_shards(run):
    shard, _ = replace_video(run)
    before = run.csvs()
    run.snakemake("all")
    after = run.csvs()
    changed = {name for name in before if before[name] != after[name]}
    assert f"videos/{shard}.csv" in changed
    assert not any(s in n for n in changed for s in {*SHARDS} - {shard})
    assert not any(name.startswith("models/") for name in changed)


def test_changed_training_video_retrains(run):
    shard, _ = replace_video(run, "train")
    expected = of_shard(shard) | {"collect_references all"}
    for model in ("small", "other"):
        expected |= {f"train_model {model} all"} | of_model(model)
    assert run.stale() == expected


def test_a_changed_video_that_keeps_its_file_time_is_found(run):
    shard, video = replace_video(run)
    os.utime(video, (0, 0))  # older than what was made of it
    (run.folder / f"results/faces/{shard}.h5").unlink()
    printed = run.snakemake("faces", check=False)
    assert run.code != 0
    assert f"{video.name} changed since its checksum was taken" in printed
    # A run that fails says how to see what there is.
    describe, command = re.search(
        r"snakemake (describe_run .*) && python -m (pipeline\.build_report .*)", printed
    ).groups()
    assert f"--configfile {run.config}" in describe
    made = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=run.folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert made.returncode == 0
    page = (run.folder / "results/report/index.html").read_text()
    assert "failed step" in page
    assert "changed since its checksum was taken" in page


def test_settings_that_change_no_result_make_only_the_report_stale(run):
    run.configure({"faces": {"max_failed": 0.5}, "attribution": {"steps": 60}})
    assert run.stale(report=True) == REPORT


def test_the_report_shows_what_has_changed_and_makes_nothing_else_stale(run):
    assert run.stale(report=True) == set()
    (run.folder / "results/report/index.html").unlink()
    assert run.stale(report=True) == {"build_report"}
    run.configure({"report": {"faces": False}})
    assert run.stale(report=True) == REPORT


def test_changed_attribution_setting_retrains_nothing(run):
    run.configure({"attribution": {"max_steps": 300}})
    assert run.stale() == attributed()


@pytest.mark.slow
def test_another_baseline_adds_only_its_own_maps(run):
    run.configure({"attribution": {"baselines": ["black", "blurred"]}})
    stale = run.stale()
    again = {job for job in stale if job.split()[-1] != "blurred"}
    maps = {f"attribute_frames {m} all blurred {s}" for m in MODELS for s in SHARDS}
    assert maps <= again
    rules = ("compare_baselines", "draw_baselines")
    # Controls have maps from each baseline, and the joint test has all pictures.
    expected = {f"{rule} {m} all" for rule in rules for m in MODELS}
    expected = expected.union(*map(of_maps, MODELS), *map(controls, MODELS))
    assert again - maps == expected


def test_changed_colour_draws_the_pictures_of_maps_again(run):
    run.configure({"atlases": {"colormap": "broc"}})
    pictures = {job for m in MODELS for job in pictures_of_maps(m)}
    assert run.stale(report=True) == pictures | REPORT


def test_one_models_learning_rate_leaves_the_other_alone(run):
    run.configure({"models": {"small": {"learning_rate": 0.002}}})
    assert run.stale() == {"train_model small all"} | of_model("small")


def test_third_model_adds_only_its_own_jobs(run):
    run.configure({"models": {"third": {"timm": "resnet18", "epochs": 1}}})
    assert run.stale() == {"train_model third all"} | of_model("third")


def test_second_trainings_add_only_their_own_jobs(run):
    run.configure({"seeds": 2})
    second = [f"{model}-training2" for model in MODELS]
    added = {f"train_model {model} all" for model in second}
    assert run.stale() == added.union(*map(of_model, second))


@pytest.mark.slow
def test_more_test_shards_leave_training_alone(run):
    run.configure({"sources": {"miniature": {"shards": {"test": 3}}}})
    stale = run.stale()
    assert "extract_faces miniature-test-002" in stale
    assert not any(s in job for job in stale for s in ("-train-", "-val-"))


@pytest.mark.slow
def test_replaced_file_of_weights_retrains(run):
    weights = run.folder / "results/models/small/all/weights.safetensors"
    given = run.folder / "given.safetensors"
    shutil.copy(weights, given)
    run.configure({"models": {"small": {"pretrained": "given.safetensors"}}})
    run.snakemake("models")
    assert not any("train_model" in job for job in run.stale())
    shutil.copy(run.folder / "results/models/other/all/weights.safetensors", given)
    assert "train_model small all" in run.stale()


def edit(clone: Run, file: str, old: str, new: str) -> None:
    """Replace a text that is once in a file of the clone's code."""
    path = clone.repository / file
    text = path.read_text()
    assert text.count(old) == 1, (file, old)
    path.write_text(text.replace(old, new))


def test_edited_module_makes_stale_what_reaches_it(clone):
    module = clone.repository / "pipeline/attributions/integration_path.py"
    module.write_text(module.read_text() + "\nEXTRA = 1\n")
    expected = attributed()
    assert clone.stale() == expected
    module = clone.repository / "pipeline/metrics/scores.py"
    module.write_text(module.read_text() + "\nEXTRA = 1\n")
    scored = of_evaluation("small") | of_evaluation("other")
    assert clone.stale() == expected | scored


def test_reworded_messages_log_lines_and_progress_make_nothing_stale(clone):
    messages = calls = 0
    for file in (clone.repository / "pipeline").rglob("*.py"):
        text = file.read_text()
        text, count = re.subn(r"(raise StepError\(\s*f?\")", r"\1Reworded. ", text)
        messages += count
        text, count = re.subn(r"\blog\.info\(", "log.warning(", text)
        calls += count
        # A new log line in each script.
        text = re.sub(
            r"(def main\([^)]*\) -> None:\n)", r'\1    log.info("a new line")\n', text
        )
        file.write_text(text)
    assert messages > 20
    assert calls > 10
    # The format of progress, and all else in the package of the run time.
    for file in (clone.repository / "pipeline/runtime").glob("*.py"):
        if file.stem != "code_version":  # which would be another hash
            file.write_text(file.read_text() + "\nEXTRA = 1\n")
    assert clone.stale() == set()


def test_a_new_key_of_one_source_makes_only_the_index_stale(clone):
    edit(
        clone,
        "pipeline/config/sources.py",
        "class DFDCConfig(SourceConfig):\n",
        "class DFDCConfig(SourceConfig):\n    extra: int = 1\n",
    )
    assert clone.stale() == {"index_videos"}
    before = clone.csvs()
    clone.snakemake("all")
    assert clone.csvs() == before
    assert clone.stale() == set()


def test_a_new_source_hides_no_other_change(run):
    """The list of videos and a model change at once: both are noticed."""
    data = run.folder / "data/miniature/original_sequences/youtube/c23/videos"
    clips = run.folder / "data/mine/real"
    clips.mkdir(parents=True)
    shutil.copy(next(data.glob("*.mp4")), clips / "a.mp4")
    mine = {"root": "data/mine", "use": "test", "shards": {"test": 1}}
    changes = {"sources": {"folders": {"mine": mine}}}
    run.configure(changes | {"models": {"small": {"learning_rate": 0.002}}})
    stale = run.stale()
    assert {"index_videos", "train_model small all"} <= stale
    assert "train_model other all" not in stale
    table = "results/videos/mine-test-000.csv"
    run.snakemake(table)
    assert (run.folder / table).is_file()


def test_a_changed_resolution_draws_pictures_and_nothing_else(clone):
    edit(clone, "pipeline/files/figures.py", "dpi=150", "dpi=151")
    drawn = {job for m in MODELS for job in pictures_of_maps(m)} | {"draw_auc"}
    rules = ("plot_history", "draw_scores", "draw_interventions")
    drawn |= {f"{rule} {m} all" for rule in rules for m in MODELS}
    assert clone.stale() == drawn


@pytest.mark.slow
def test_deleted_output_comes_back_with_what_depends_on_it(run):
    before = run.csvs()
    maps = run.folder / "results/attributions/small/all/black/miniature-test-000.h5"
    maps.unlink()
    (
        run.folder / "results/metrics/other/all/predictions/miniature-test-001.csv"
    ).unlink()
    expected = {
        "attribute_frames small all black miniature-test-000",
        "measure_controls small all miniature-test-000",
        *of_maps("small"),
        "predict_frames other all miniature-test-001",
        *of_metrics("other"),
    }
    # An output that no other step reads runs again only when the target asks for it.
    (run.folder / "results/atlases/small/all/black/atlas.png").unlink()
    (run.folder / "results/metrics/other/all/roc.png").unlink()
    assert run.stale() == expected
    run.snakemake("all")
    assert run.csvs() == before


@pytest.mark.parametrize(
    "target",
    ["videos", "faces", "models", "metrics", "attributions", "atlases", "report"],
)
def test_targets(run, target):
    printed = run.snakemake(target, "--dry-run", "--forceall")
    steps = {
        "checksum_videos": (
            *("videos", "faces", "models", "metrics", "attributions", "atlases"),
            "report",
        ),
        "summarize_faces": ("faces", "report"),
        "train_model": ("models", "metrics", "attributions", "atlases", "report"),
        "evaluate_model": ("metrics", "report"),
        "attribute_frames": ("attributions", "atlases", "report"),
        "draw_atlas": ("atlases", "report"),
        "build_report": ("report",),
    }
    for rule, targets in steps.items():
        assert (f"rule {rule}:" in printed) == (target in targets), rule


def test_corpus_on_disk_as_faceforensics_gives_the_same_crops(run, tmp_path):
    """The miniature corpus is in the official layout: the other source reads it too."""
    import json

    from pipeline.config.miniature import MiniatureConfig
    from pipeline.faces.shards import FaceShard
    from pipeline.videos.sources.miniature import miniature_pairs

    splits = tmp_path / "splits"
    splits.mkdir()
    sizes = MiniatureConfig(train_pairs=1, val_pairs=1, test_pairs=1)
    for split, pairs in miniature_pairs(sizes).items():
        (splits / f"{split}.json").write_text(json.dumps(pairs))
    other = Run(tmp_path / "other").configure(
        {
            "sources": {
                "miniature": None,
                "faceforensics": {
                    "root": str(run.folder / "data/miniature"),
                    "splits": str(splits),
                    "official_splits": False,
                },
            }
        }
    )
    other.snakemake("faces")
    crops = []
    for folder in (run.folder, other.folder):
        found = {}
        for path in (folder / "results/faces").glob("*.h5"):
            with FaceShard(path) as shard:
                frames = shard.labelled_frames()
                keys = zip(frames["path"], frames["number"], strict=True)
                found |= dict(
                    zip(keys, (c.tobytes() for c in shard.crops[:]), strict=True)
                )
        crops.append(found)
    assert crops[0] == crops[1]
    assert len(crops[0]) > 60
