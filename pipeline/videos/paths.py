"""Check file paths of unknown origin."""

import re
from pathlib import PurePosixPath


def path_fault(path: str) -> str:
    """What is wrong with a path of unknown origin; "" if it may be used.

    A good path is relative and stays in its folder. Spaces, quotes and all letters are
    allowed, because paths are never given to a shell.
    """
    parts = PurePosixPath(path).parts
    if not path.strip("/."):
        return "names no file"
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", path):
        return "has a line break or another control character"
    if re.search(r"[\ud800-\udfff]", path):
        return "is not UTF-8"
    if set(path) & set("{}<>"):
        return "has one of { } < >, with which Snakemake marks variables"
    if path != path.strip():
        return "begins or ends with a space"
    if "\\" in path:
        return "has a backslash: write folders with /"
    if path.startswith("/"):
        return "is absolute: give it relative to `root`"
    if ".." in parts:
        return "leads out of its folder"
    if any(len(part.encode()) > 255 for part in parts) or len(path.encode()) > 3000:
        return "is too long"
    return ""
