"""Which videos and crops a protocol uses for training and validation."""

import numpy as np
import pandas as pd

from pipeline.config.protocols import ProtocolConfig
from pipeline.videos.table import REAL, UNLABELLED


def protocol_rows(frames: pd.DataFrame, protocol: ProtocolConfig) -> np.ndarray:
    """(N,) bool: the rows of a table of videos or frames that a protocol uses.

    The table has the columns dataset, method and compression. A protocol chooses the
    methods of fakes only: all real videos of its data sets and compressions are used.
    Unlabelled rows are never used.
    """
    fakes = sorted(set(frames["method"]) - {REAL, UNLABELLED})
    methods = protocol.trained_methods(fakes)
    compressions = protocol.trained_compressions(sorted(set(frames["compression"])))
    datasets = protocol.trained_datasets(sorted(set(frames["dataset"])))
    wanted = frames["method"].isin([REAL, *methods])
    wanted &= frames["compression"].isin(compressions)
    wanted &= frames["dataset"].isin(datasets)
    return wanted.to_numpy()


def resolve_protocol(
    videos: pd.DataFrame, protocol: ProtocolConfig
) -> dict[str, list[str]]:
    """Resolve a protocol to explicit names, using the videos of the training split.

    Returns the methods, compressions and data sets that the protocol trains on. The
    keys match `ProtocolConfig`, so the result can be used as a protocol, for example to
    select the matching validation videos.
    """
    trained = videos[videos["split"] == "train"]
    trained = trained[protocol_rows(trained, protocol)]
    return {
        "methods": sorted(set(trained["method"]) - {REAL}),
        "compressions": sorted(set(trained["compression"])),
        "datasets": sorted(set(trained["dataset"])),
    }
