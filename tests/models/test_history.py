"""The choice of the best epoch."""

import numpy as np
import pandas as pd

from pipeline.models.history import kept_epoch
from pipeline.models.training_state import TrainingProgress


def test_best_epoch_is_never_replaced_by_an_equally_good_one():
    """Compared with a search from the first epoch on, for scores with many ties."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        progress, best = TrainingProgress(), (-np.inf, -np.inf)
        assert progress.best_epoch == 0
        for epoch in range(1, 13):
            auc, loss = rng.integers(0, 3, 2) / 2
            if (auc, -loss) > best:
                best, expected = (auc, -loss), epoch
            row = {"epoch": epoch, "val_video_auc": auc, "val_loss": loss}
            progress.history.append(row)
            assert progress.best_epoch == expected
        assert kept_epoch(pd.DataFrame(progress.history)) == expected
