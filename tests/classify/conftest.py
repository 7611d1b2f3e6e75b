import numpy as np
import pytest


@pytest.fixture
def groups(rng):
    """Three groups of 900, 95 and 5 cells that lie apart."""
    y = np.r_[np.zeros(900), np.ones(95), np.full(5, 2)].astype(int)
    return (rng.normal(size=(1000, 4)) + 6 * np.eye(3, 4)[y]).astype(np.float32), y
