"""The pages of the documentation: size, links, old names, and listed outputs."""

import os
import re

import pytest

from tests.support.documents import PAGES, REPOSITORY, blocks, code_spans, read

MAX_README_BYTES = 10_240
STAGES = (
    *("videos", "faces", "models", "metrics", "attributions", "atlases", "report"),
)
LINK = re.compile(r"\]\(([^)\s]+)\)")

# Names of earlier versions. Only the changelog may use them.
OLD_NAMES = (
    *("results/checksums", "results/weights", "results/predictions"),
    *("results/references", "results/originals"),
    *("workflow/profiles", "docs/published.csv"),
    *("fetch_detector", "choose_threshold", "build_atlas"),
)


def test_readme_is_short():
    assert len(read("README.md").encode()) <= MAX_README_BYTES


def test_every_page_of_the_docs_folder_is_listed():
    in_folder = {f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")}
    assert in_folder <= set(PAGES)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_resolve(page):
    for link in LINK.findall(read(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        folder = (REPOSITORY / page).parent
        target = folder / name if name else REPOSITORY / page
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_page_has_no_old_name(page):
    text = read(page)
    assert [name for name in OLD_NAMES if name in text] == []


def test_named_make_targets_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    texts = [*blocks("sh"), *(span for page in PAGES for span in code_spans(page))]
    lines = [line for text in texts for line in text.splitlines()]
    named = {line.split()[1] for line in lines if line.startswith("make ")}
    assert named
    assert named - targets == set()


def test_every_configuration_names_its_file_in_the_first_line():
    for block in blocks("yaml"):
        assert re.match(r"# \S+\.yaml\n", block), block


# Parts of the paths of files that only some runs write.
NOT_IN_EVERY_RUN = ("weights/", "real_faces", "state.pt", "not_a_number", "virelay")
NOT_IN_EVERY_RUN += ("comparison.html",)


def listed_outputs() -> list[str]:
    """The files listed in docs/outputs.md, as patterns below the results folder."""
    patterns: list[str] = []
    folder = ""
    for line in read("docs/outputs.md").splitlines():
        heading = re.match(r"\| file in `([^`]*)` \|", line)
        if heading:
            folder = heading.group(1)
        elif not line.startswith("|"):
            folder = ""
        elif folder and not line.startswith("|---"):
            patterns += in_cell(folder, line.split("|")[1])
    return patterns


def in_cell(folder: str, cell: str) -> list[str]:
    """The files in the first cell of a row: "`a/b.png`, `.csv`, `c.csv`"."""
    paths: list[str] = []
    for name in re.findall(r"`([^`]*)`", cell):
        if name.startswith("."):  # the same file with another ending
            path = os.path.splitext(paths[-1])[0] + name
        elif paths and "/" not in name:  # another file in the same folder
            path = f"{os.path.dirname(paths[-1])}/{name}"
        else:
            path = folder + name
        paths.append(re.sub(r"<[^>]*>", "*", path))
    return paths


def test_a_run_has_exactly_the_listed_outputs(finished):
    """Each listed file exists, and each file of a stage is listed."""
    results = finished.folder / "results"
    patterns = listed_outputs()
    assert len(patterns) > 40
    for pattern in patterns:
        if not any(part in pattern for part in NOT_IN_EVERY_RUN):
            assert list(results.glob(pattern)), pattern
    known = {path for pattern in patterns for path in results.glob(pattern)}
    files = {path for path in results.rglob("[!.]*") if path.is_file()}
    unlisted = {f for f in files - known if f.relative_to(results).parts[0] in STAGES}
    assert sorted(map(str, unlisted)) == []
