"""The pages of the documentation, and the code blocks in them."""

import re
from pathlib import Path
from textwrap import dedent

REPOSITORY = Path(__file__).parents[2]

# In reading order: later commands need the results of earlier ones.
PAGES = (
    "README.md",
    "docs/faceforensics.md",
    "docs/data_sets.md",
    "docs/faces.md",
    "docs/training.md",
    "docs/slurm.md",
    "docs/outputs.md",
    "docs/methods.md",
    "docs/limits.md",
    "docs/architecture.md",
    "config/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)


def read(page: str) -> str:
    """The text of a page in PAGES."""
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """All code blocks of a language, in the order of the pages."""
    fenced = re.compile(rf"^ *```{language}\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
    return [dedent(block) for page in PAGES for block in fenced.findall(read(page))]


def code_spans(page: str) -> list[str]:
    """The texts in single backticks on a page, outside its code blocks."""
    prose = re.sub(r"^ *```.*?^ *```$", "", read(page), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def commands() -> list[str]:
    """All shell commands of the pages, in the order of the pages.

    First the commands in blocks of `sh`, then those in a sentence, which begin with
    `cd`. Commands for SLURM are in blocks of `bash` and are left out.
    """
    lines = [line for block in blocks("sh") for line in block.splitlines() if line]
    spans = [span for page in PAGES for span in code_spans(page)]
    return lines + [span for span in spans if span.startswith("cd ")]
