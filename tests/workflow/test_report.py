"""Snakemake's report: which results are in it, and their captions."""

import json
import re
import zipfile

import pytest
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

from tests.support.runs import REPOSITORY

WORKFLOW = REPOSITORY / "workflow"
CAPTIONS = WORKFLOW / "report"
DESCRIPTION = CAPTIONS / "workflow.rst"
RULES = "".join(file.read_text() for file in (WORKFLOW / "rules").glob("*.smk"))
# The path and the caption of each output that is marked for the report.
MARKED = re.findall(r'report\(\s*"(<[^"]+)",\s*caption="\.\./report/(\w+)\.rst"', RULES)
PATHVARS = {
    "<detector>": "{model}/{protocol}",
    "<atlas>": "{model}/{protocol}/{baseline}",
}
WARNING = "no evidence about real deepfakes"


def rendered(name: str, **of_snakemake: dict) -> str:
    """A caption as HTML. A fault in its reStructuredText or its template raises."""
    # The settings of Snakemake, and an error where it would leave a gap.
    environment = Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    template = environment.from_string((CAPTIONS / f"{name}.rst").read_text())
    text = template.render(snakemake=of_snakemake)
    strict = {"halt_level": 2, "report_level": 5}
    html = publish_parts(text, writer="html", settings_overrides=strict)
    return html["html_body"]


def wildcards(path: str, baseline: str) -> dict[str, str]:
    """Values of the wildcards in an output's path."""
    for name, value in PATHVARS.items():
        path = path.replace(name, value)
    values = {name: f"some-{name}" for name in re.findall(r"{(\w+)}", path)}
    return values | ({"baseline": baseline} if "baseline" in values else {})


def test_each_figure_is_in_the_report():
    figures = set(re.findall(r'"(<[^"]+\.png)"', RULES))
    assert len(figures) > 15
    assert figures - {path for path, _ in MARKED} == set()


def test_each_caption_is_used():
    names = {file.stem for file in CAPTIONS.iterdir()} - {DESCRIPTION.stem}
    assert names == {name for _, name in MARKED}


@pytest.mark.parametrize("baseline", ["black", "original"])
def test_captions_need_only_wildcards_of_their_output(baseline):
    for path, name in MARKED:
        values = wildcards(path, baseline)
        html = rendered(name, wildcards=values)
        assert "baseline" not in values or baseline in html, name


def test_the_description_warns_of_drawn_faces_where_they_are_used():
    drawn = {"sources": {"miniature": {}, "celebdf": {}}}
    for config in ({}, drawn):
        assert WARNING in " ".join(rendered("workflow", config=config).split())
    other = {"sources": {"miniature": None, "celebdf": {}}}
    for config in (other, {"sources": {"celebdf": {}}}):
        assert WARNING not in " ".join(rendered("workflow", config=config).split())


def test_report_of_a_finished_run_has_the_atlas_with_its_caption(finished, tmp_path):
    run = finished.copy(tmp_path / "run")
    run.snakemake("--report", str(tmp_path / "report.zip"))
    path = "results/atlases/small/all/black/atlas.png"
    with zipfile.ZipFile(tmp_path / "report.zip") as report:
        page = report.read("report/report.html").decode()
        block = re.search(r'<script id="results">\s*var results = (.*);\n', page)
        shown = json.loads(block.group(1))[path]
        figure = report.read(f"report/{shown['data_uri']}")
    assert figure == (run.folder / path).read_bytes()
    assert shown["labels"] == {"result": "atlas", "baseline": "black"}
    assert "mean attributions of the fake logit" in " ".join(shown["caption"].split())
    assert WARNING in page.replace("\\n", " ")
