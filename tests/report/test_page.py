"""The page with the results of a run: its numbers, its pictures, and odd runs."""

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from pipeline.build_report import Arguments, main
from tests.support.report_page import ReportPage, decoded, faults, read_page

HOSTILE = "<script>alert(1)</script>\"'&ü " + "long" * 60
OTHER = "results of another run"


def build(results: Path) -> ReportPage:
    """Make the report of a folder of results, and read it."""
    page = results / "report/index.html"
    main(Arguments(results / "report/run.json", page, workers=1))
    return read_page(page)


def change_run(results: Path, change) -> None:
    """Change the description of a run."""
    file = results / "report/run.json"
    described = json.loads(file.read_text())
    change(described)
    file.write_text(json.dumps(described))


@pytest.fixture
def results(finished, tmp_path, monkeypatch) -> Path:
    """The results of a finished run, to be changed."""
    shutil.copytree(finished.folder / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def test_every_number_of_the_page_is_that_of_its_cell(finished):
    results = finished.folder / "results"
    page = read_page(results / "report/index.html")
    assert faults(page, results) == []
    files = {file for file, *_ in page.values}
    assert {"metrics/videos.csv", "report/data.csv", "report/maps.csv"} <= files
    assert len(page.values) > 1000
    assert ("faces.size", "48") in page.settings


def test_a_wrong_number_and_one_without_an_address_are_found(finished, tmp_path):
    results = finished.folder / "results"
    text = (results / "report/index.html").read_text()
    start = text.index('data-file="metrics/videos.csv"')
    wrong = re.compile(r'(<data value="0\.\d+" [^>]*>)\d\.\d+')
    changed = text[:start] + wrong.sub(r"\g<1>7.654", text[start:], count=1)
    (tmp_path / "page.html").write_text(changed + "<p>An AUC of 0.9</p>")
    found = faults(read_page(tmp_path / "page.html"), results)
    assert len(found) == 2
    assert "7.654" in "".join(found)
    assert "no address: An AUC of 0.9" in found


def test_every_picture_decodes_and_has_a_text_with_numbers(finished):
    page = read_page(finished.folder / "results/report/index.html")
    assert len(page.images) > 20
    for uri, text in page.images:
        assert min(decoded(uri).size) > 8
        assert text
    figures = [text for uri, text in page.images if decoded(uri).width > 400]
    with_numbers = [text for text in figures if re.search(r"\d\.\d", text)]
    assert len(with_numbers) > 0.7 * len(figures)


def test_the_page_needs_nothing_beside_it(finished):
    folder = finished.folder / "results/report"
    text = (folder / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)|url\((?!data:)', text)
    assert "http:" not in text
    assert "https:" not in text
    assert "drawn faces" in text
    assert list((folder / "pages").glob("*.html")) == []


def test_hostile_names_are_shown_and_do_nothing(results):
    for file in results.rglob("*.csv"):
        text = file.read_text()
        name = '"' + HOSTILE.replace('"', '""') + '"'
        file.write_text(re.sub(r"(?m)(^|,)Deepfakes(?=,|$)", rf"\1{name}", text))
    page = build(results)
    assert HOSTILE in "".join(page.text)
    assert len(page.scripts) == 1
    assert not {name for name in page.attributes if name.startswith("on")}
    assert faults(page, results) == []


def test_without_faces_no_face_is_in_the_page(results):
    whole = (results / "report/index.html").read_text()
    change_run(results, lambda run: run["config"]["report"].update(faces=False))
    page = build(results)
    text = (results / "report/index.html").read_text()
    for part in ('class="face"', 'class="card"', "faces/miniature-test-000.png"):
        assert part in whole
        assert part not in text
    assert "regions.png" in text
    assert "metrics/videos.csv" in {file for file, *_ in page.values}


def test_a_run_with_failures_says_so_at_its_top(results):
    (results / "models/small/all/weights.safetensors").unlink()
    (results / "models/other/all/state.pt").touch()
    shutil.rmtree(results / "atlases/other/all/black")
    shutil.rmtree(results / "metrics/small")
    log = results / "logs/train_model/small/all.log"
    log.write_text("10:00:00 epoch 1\n10:00:01 error: the disk is full: free space\n")
    summary = results / "faces/summary.csv"
    lines = summary.read_text().splitlines()
    lines[1] = lines[1].replace(",ok,,", ",no_face,too dark,")
    summary.write_text("\n".join(lines) + "\n")
    page = build(results)
    assert faults(page, results) == []
    text = " ".join("".join(page.text).split())
    top = text[: text.index("What became of each video")]
    assert "This run has errors." in top
    for kind in ("missing result", "failed step", "unfinished training", "no crops"):
        assert kind in top
    for reason in (
        "the disk is full: free space",
        "models/small/all/weights.safetensors",
        "atlases/other/all/black/cells.csv",
        "no_face: too dark",
        "run the same command again",
    ):
        assert reason in text


def test_a_run_without_failures_says_so(finished):
    page = read_page(finished.folder / "results/report/index.html")
    text = " ".join("".join(page.text).split())
    assert "Errors and warnings: none." in text
    assert "No step left an error in its log" in text


def test_an_empty_folder_gives_a_page(results):
    for name in ("faces", "models", "metrics", "attributions", "atlases", "videos"):
        shutil.rmtree(results / name)
    text = "".join(build(results).text)
    assert "missing result" in text
    assert "metrics/videos.csv" in text


def test_a_damaged_file_costs_its_own_part_alone(results):
    damaged = ("atlases/small/all/black/regions.png", "atlases/significance.h5")
    for name in damaged:
        (results / name).write_bytes(b"not this")
    page = build(results)
    text = "".join(page.text)
    assert text.count("This part cannot be shown") >= 2
    assert f"{damaged[0]}. UnidentifiedImageError" in text
    assert "atlases/small/all/black/statistics.png" in text


def test_an_error_that_a_step_recovered_from_is_no_problem(results):
    log = results / "logs/train_model/small/all.log"
    log.write_text("10:00:00 error: no answer\n10:00:02 fetched\n")
    former = results / "logs/train_model/former/all.log"
    former.parent.mkdir()
    former.write_text("10:00:00 error: it failed\n")
    assert "failed step" not in "".join(build(results).text)


def test_logs_of_steps_that_the_run_does_not_have_are_no_problem(results):
    for name in ("fetch_weights/other", "collect_real_faces", "build_report"):
        log = results / f"logs/{name}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text("10:00:00 error: it failed\n")
    end = "Exception ignored in: <x>\nTraceback (most recent call last):\nE: at exit\n"
    (results / "logs/collect_metrics.log").write_text(end)
    assert "failed step" not in "".join(build(results).text)


def test_results_that_the_configuration_does_not_ask_for_are_not_shown(results):
    def with_one_detector(run):
        run["detectors"] = [d for d in run["detectors"] if d["model"] == "small"]
        run["has_originals"] = False

    change_run(results, with_one_detector)
    page = build(results)
    assert not {file for file, *_ in page.values if "interventions" in file}
    assert not {file for file, *_ in page.values if "/models-" in file}
    text = " ".join("".join(page.text).split())
    assert "models-black.png" not in text
    assert "Errors and warnings: none." in text


def test_without_labels_no_metrics_are_missing(results):
    change_run(results, lambda run: run.update(has_labels=False))
    shutil.rmtree(results / "metrics")
    shutil.rmtree(results / "atlases")
    assert "missing result" not in "".join(build(results).text)


def test_a_tall_figure_is_shown(results):
    picture = Image.new("RGB", (1000, 30_000), "white")
    picture.save(results / "atlases/models-black.png")
    sizes = [decoded(uri).size for uri, _ in build(results).images]
    assert max(height for _, height in sizes) == 16_000


def test_two_runs_are_shown_beside_each_other(results, tmp_path):
    other = tmp_path / OTHER
    shutil.copytree(results, other)
    change_run(other, lambda run: run["config"]["models"]["small"].update(epochs=9))
    change_run(results, lambda run: run["config"]["report"].update(compare_with=OTHER))
    assert any("comparison" in text for text in build(results).text)
    page = read_page(results / "report/pages/comparison.html")
    assert faults(page, results) == []
    assert f"{OTHER}/metrics/videos.csv" in {file for file, *_ in page.values}
    assert [text for key, text in page.settings if key == "models.small.epochs"] == [
        *("1", "9"),
    ]
    # What is damaged there costs its own part alone.
    (other / "metrics/videos.csv").write_bytes(b"\xff\xfe")
    assert "comparison" in "".join(build(results).text)
    text = "".join(read_page(results / "report/pages/comparison.html").text)
    assert "This part cannot be shown: metrics" in text


def test_results_of_other_configurations_are_not_shown_and_are_listed(results, capsys):
    from pipeline.list_leftovers import Arguments as Leftovers
    from pipeline.list_leftovers import main as list_leftovers

    for stage in ("models", "metrics", "attributions", "atlases"):
        shutil.copytree(results / stage / "small", results / stage / "former")
    shutil.copytree(
        results / "atlases/small/all/black", results / "atlases/small/all/white"
    )
    videos = results / "metrics/videos.csv"
    videos.write_text(
        videos.read_text() + re.sub(r"(?m)^small,", "former,", videos.read_text())
    )
    old_shard = results / "faces/former-test-000.h5"
    shutil.copy(results / "faces/miniature-test-000.h5", old_shard)
    page = build(results)
    files = {file for file, *_ in page.values}
    assert not {file for file in files if "former" in file or "white" in file}
    assert not {raw for *_, raw, _ in page.values if "former" in raw}
    list_leftovers(Leftovers(results / "report/run.json"))
    printed = capsys.readouterr().out
    listed = re.findall(r" (\S+)$", printed, re.MULTILINE)
    expected = {"models/former", "atlases/former", "atlases/small/all/white"}
    assert expected | {"faces/former-test-000.h5"} <= {*listed}
    assert "models/small" not in listed
    assert (results / "models/former").is_dir()


def test_a_description_that_is_missing_is_named_with_the_remedy(tmp_path):
    from pipeline.runtime.errors import StepError

    with pytest.raises(StepError, match=r"run\.json .*snakemake describe_run"):
        main(Arguments(tmp_path / "run.json", tmp_path / "index.html", workers=1))
