"""Write the pages of a report: the index, and those beside it."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from pipeline.report.page import FilledSection, Group, Page, anchor
from pipeline.report.parts import Place
from pipeline.report.places import BASELINE, DETECTOR, RUN, SHARD
from pipeline.report.run_description import RunDescription, read_description
from pipeline.report.sections import COMPARISON, SECTIONS
from pipeline.report.tables import Tables

MAX_INDEX_BYTES = 4_950_000  # larger runs have pages beside the index
INDEX, PAGES = "index.html", "pages"
# Pages of a large run that are of no single detector, and the scope of their parts.
SHARED_PAGES = {"contact sheets": SHARD, "comparisons": BASELINE}

# Names of a page and its HTML.
Written = tuple[str, str]


def write_pages(
    run: RunDescription, results: Path, workers: int = 1
) -> Iterator[Written]:
    """Yield the pages of a report: their names and their HTML, the index last.

    All is in the index as long as it has at most MAX_INDEX_BYTES. Otherwise the contact
    sheets, the comparisons of detectors, and each detector have a page of their own. So
    many processes (`workers`) fill the parts of detectors.
    """
    page = Page(run, Tables(results, run.has_rows))
    index = [FilledSection(one, [page.of_scope(one, RUN)]) for one in SECTIONS]
    waiting: list[tuple[str, list[list[Group]]]] = []
    size = _size(group for one in index for group in one.groups)
    for name, groups in _filled(page, workers):
        waiting.append((name, groups))
        size += _size(group for found in groups for group in found)
        if size > MAX_INDEX_BYTES:
            written = (_page_beside(page, index, *one) for one in waiting)
            yield from (one for one in written if one is not None)
            waiting.clear()
    for _, groups in waiting:
        for one, found in zip(index, groups, strict=True):
            one.groups.extend(found)
    compared = run.config["report"]["compare_with"]
    if compared:
        yield _comparison_page(page, index, compared)
    title = "deepfake-atlas: report of a run"
    drawn = run.has_drawn_faces
    yield INDEX, page.document(title, index, is_index=True, has_drawn_faces=drawn)


def _page_beside(
    page: Page,
    index: Sequence[FilledSection],
    name: str,
    groups: Sequence[Sequence[Group]],
) -> Written | None:
    """A page of its own for some groups; None if they have no parts.

    The sections of the index get links to it.
    """
    file = f"{PAGES}/{name.replace(' ', '_')}.html"
    own = []
    for one, found in zip(index, groups, strict=True):
        section = FilledSection(one.section, list(found))
        if not section.is_empty:
            one.links.append((f"{file}#{one.section.name}", name.replace(".", "/")))
            own.append(section)
    if not own:
        return None
    title = f"deepfake-atlas: {name.replace('.', '/')}"
    drawn = page.run.has_drawn_faces
    return file, page.document(title, own, is_index=False, has_drawn_faces=drawn)


def _comparison_page(
    page: Page, index: Sequence[FilledSection], folder: str
) -> Written:
    """The page with another run beside this one; the section of metrics links it."""
    other = read_description(Path(folder) / "report" / "run.json")
    tables = Tables(Path(folder), other.has_rows, prefix=f"{folder}/")
    file = f"{PAGES}/comparison.html"
    for one in index:
        if one.section.name == "metrics":
            one.links.append((file, f"comparison with {folder}"))
    section = FilledSection(COMPARISON, page.comparison(other, tables))
    title = f"deepfake-atlas: this run and {folder}"
    drawn = page.run.has_drawn_faces or other.has_drawn_faces
    text = page.document(title, [section], is_index=False, has_drawn_faces=drawn)
    return file, text


# The page of a worker process, made when it starts.
_own: list[Page] = []


# What a worker fills: the place of a detector, or the scope of a shared page.
Task = Place | str


def _filled(page: Page, workers: int) -> Iterator[tuple[str, list[list[Group]]]]:
    """The name and the groups of each page beside the index, section by section."""
    detectors = page.places[DETECTOR]
    tasks: list[Task] = [*SHARED_PAGES.values(), *detectors]
    names = [*SHARED_PAGES, *(anchor(*detector.values()) for detector in detectors)]
    if workers == 1:
        yield from zip(names, (_fill(page, task) for task in tasks), strict=True)
        return
    # Not `fork`: OpenCV has threads.
    with ProcessPoolExecutor(
        min(workers, len(tasks)),
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(page.run, page.tables.results),
    ) as pool:
        yield from zip(names, pool.map(_fill_in_worker, tasks), strict=True)


def _start_worker(run: RunDescription, results: Path) -> None:
    _own.append(Page(run, Tables(results, run.has_rows)))


def _fill_in_worker(task: Task) -> list[list[Group]]:
    return _fill(_own[0], task)


def _fill(page: Page, task: Task) -> list[list[Group]]:
    if isinstance(task, str):
        return [[page.of_scope(section, task)] for section in SECTIONS]
    return [page.of_detector(section, task) for section in SECTIONS]


def _size(groups: Iterable[Group]) -> int:
    """The size of HTML in characters. Nearly all of them take one byte."""
    return sum(len(part) for group in groups for part in group.parts)
