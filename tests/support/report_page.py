"""Read a page of the report: its numbers with their addresses, its pictures."""

import base64
import csv
import io
import re
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import yaml
from PIL import Image

VOID = {"meta", "img", "input", "br", "link"}
NUMERAL = re.compile(r"\d")


@dataclass
class Node:
    """An element that is open while the page is read."""

    tag: str
    attributes: dict[str, str]


@dataclass
class ReportPage(HTMLParser):
    """What a page shows.

    Attributes:
        numerals: each text with a digit that has no address.
        values: address and text of each value of a table: file, row, column, the raw
            value that the page states, and what it shows.
        settings: key and text of each value of the configuration.
        images: their addresses and alternative texts.
        scripts: the text of each script.
        tags: of all elements.
        text: all texts that are shown.
    """

    numerals: list[str] = field(default_factory=list)
    values: list[tuple[str, int, str, str, str]] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)
    images: list[tuple[str, str]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[Node] = []

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "img":
            self.images.append((attributes["src"], attributes.get("alt", "")))
        if tag not in VOID:
            self.stack.append(Node(tag, attributes))
            if tag == "data":
                self.shown = ""

    def handle_endtag(self, tag):
        while self.stack:
            node = self.stack.pop()
            if node.tag == tag:
                if tag == "data":
                    self._value(node)
                return

    def handle_data(self, data):
        tags = [node.tag for node in self.stack]
        if "script" in tags:
            self.scripts.append(data)
        if {"script", "style"} & set(tags):
            return
        self.text.append(data)
        if "data" in tags:
            self.shown += data
        elif NUMERAL.search(data) and not self._is_fixed():
            self.numerals.append(data.strip())

    def _is_fixed(self) -> bool:
        return any("data-fixed" in node.attributes for node in self.stack)

    def _value(self, node: Node) -> None:
        if "data-key" in node.attributes:
            self.settings.append((node.attributes["data-key"], self.shown))
            return
        row, _, column = node.attributes["data-at"].partition(":")
        file = next(
            one.attributes["data-file"]
            for one in [node, *reversed(self.stack)]
            if "data-file" in one.attributes
        )
        raw = node.attributes["value"]
        self.values.append((file, int(row), column, raw, self.shown))


def read_page(path: Path) -> ReportPage:
    page = ReportPage()
    page.feed(path.read_text(encoding="utf-8"))
    return page


@cache
def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def faults(page: ReportPage, results: Path) -> list[str]:
    """Numerals without an address, and values that their cells do not have."""
    found = [f"no address: {text}" for text in page.numerals]
    for file, row, column, raw, shown in page.values:
        path = results / file
        cell = rows_of(path if path.is_file() else Path(file))[row - 1][column]
        place = f"{file}, row {row}, {column}: {cell!r}"
        if cell != raw:
            found.append(f"{place}, and the page states {raw!r}")
        if not is_rounded(cell, shown):
            found.append(f"{place}, and the page shows {shown!r}")
    return found


def is_rounded(cell: str, shown: str) -> bool:
    """Whether a text is a cell, or the cell's number rounded to its digits."""
    if shown == cell:
        return True
    if shown == "n/a":
        return cell in ("", "nan")
    try:
        exact = float(cell)
        number = float(shown.strip("%").replace(",", ""))
    except ValueError:
        return False
    digits = len(shown.strip("%").partition(".")[2])
    exact = exact * 100 if shown.endswith("%") else exact
    return abs(number - exact) <= 0.5 * 10**-digits * (1 + 1e-9)


def decoded(uri: str) -> Image.Image:
    """The picture of a data URI."""
    kind, _, text = uri.partition(";base64,")
    assert kind.startswith("data:image/")
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    picture.load()
    return picture


def flat(values: dict, prefix: str = "") -> dict[str, object]:
    """A configuration with keys such as `faces.margin`."""
    found: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def config_of(file: Path) -> dict[str, object]:
    return flat(yaml.safe_load(file.read_text()))
