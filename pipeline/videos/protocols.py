"""Which crops a protocol trains and validates on."""

import numpy as np
import pandas as pd

from pipeline.config.protocols import ProtocolConfig
from pipeline.videos.table import REAL


def selected(frames: pd.DataFrame, protocol: ProtocolConfig) -> np.ndarray:
    """Which rows (N,) of a table with dataset, method and compression are used.

    Real videos are used whatever the methods are.
    """
    methods = protocol.trained_methods(sorted(set(frames["method"]) - {REAL}))
    kinds = protocol.trained_compressions(sorted(set(frames["compression"])))
    datasets = protocol.trained_datasets(sorted(set(frames["dataset"])))
    wanted = frames["method"].isin([REAL, *methods])
    wanted &= frames["compression"].isin(kinds) & frames["dataset"].isin(datasets)
    return wanted.to_numpy()


def trained_on(videos: pd.DataFrame, protocol: ProtocolConfig) -> dict[str, list[str]]:
    """What a protocol comes to, by name: all that is in its videos of train.

    The keys are the protocol's own, so that these names, put in place of what it says,
    select the same of another split.
    """
    trained = videos[videos["split"] == "train"]
    trained = trained[selected(trained, protocol)]
    return {
        "methods": sorted(set(trained["method"]) - {REAL}),
        "compressions": sorted(set(trained["compression"])),
        "datasets": sorted(set(trained["dataset"])),
    }
