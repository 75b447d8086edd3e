"""Which squares are significant, for tests of single atlases and differences."""

import numpy as np

from pipeline.atlases.differences import fake_differences
from pipeline.statistics.significance import joint_threshold, picture


def significant_squares(arrays, baseline="black"):
    """The significant squares of an atlas' fakes, by method and outcome."""
    found = fake_differences(arrays, baseline)
    threshold = joint_threshold(d.picture for d in found if d.picture is not None)
    return {(d.cell.method, d.cell.outcome): d.significant(threshold) for d in found}


def significant_places(difference, replicates, units):
    """The significant places of one difference (P,) that is tested alone."""
    found = picture(difference, replicates, units)
    if found is None:
        return np.zeros(len(difference), bool)
    return found.significant(joint_threshold([found]))
