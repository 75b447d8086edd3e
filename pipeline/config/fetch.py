"""The `fetch` section: how videos are fetched from a server."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section


class FetchConfig(Section):
    """How politely, and how stubbornly. Nothing here makes a file be fetched again."""

    connections: int = Field(4, ge=1, le=32)
    """Files that are fetched at the same time."""
    attempts: int = Field(8, ge=1, le=100)
    """Tries in a row that bring nothing, or too little, before a file is given up; the
    pauses between them grow from one second to a minute."""
    patience: float = Field(60.0, gt=0, le=3600)
    """Seconds that a server may take to answer (ten at most to be reached), or in which
    at least `slowest` bytes a second must come; a connection slower than that is made
    anew."""
    slowest: int = Field(1000, ge=1)
    """Bytes per second, see `patience`."""
    max_failed: float = Field(0.02, ge=0, le=1)
    """Largest share of a shard's files that may not be had before the step fails. A
    single one never fails it."""
    unanswered: Literal["fail", "skip"] = "fail"
    """What to do where the server does not answer for a file, or never to its end: fail
    (the same command goes on where it was), or skip it as one that is not to be had."""
