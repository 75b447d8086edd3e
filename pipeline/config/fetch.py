"""The `fetch` section: how videos are downloaded from a server."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section


class FetchConfig(Section):
    """How downloads behave. A change here downloads no file again."""

    connections: int = Field(4, ge=1, le=32)
    """Number of files that are downloaded at the same time."""
    attempts: int = Field(8, ge=1, le=100)
    """Number of failed attempts in a row after which a file is given up. An attempt
    fails if it receives no bytes, or if it is too slow (see `patience`). The pause
    between attempts grows from one second to one minute."""
    patience: float = Field(60.0, gt=0, le=3600)
    """Seconds to wait for an answer of the server (at most ten to connect). During the
    download, the average speed over this many seconds must be at least `slowest`. A
    slower connection is closed and opened again."""
    slowest: int = Field(1000, ge=1)
    """Lowest speed of a download in bytes per second (see `patience`)."""
    max_failed: float = Field(0.02, ge=0, le=1)
    """Largest share of the files of a shard that may be unavailable. If more are, the
    step fails. A single unavailable file never fails the step."""
    unanswered: Literal["fail", "skip"] = "fail"
    """What to do with a file for which the server does not answer, or whose download
    the server never completes. `fail`: the step fails, and the same command resumes the
    download. `skip`: the file counts as unavailable."""
