import pytest

from celltransfer_core.config import Config
from celltransfer_core.errors import DataError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 1.5}, "--alpha"),
        ({"draws": 0}, "--draws"),
        ({"subset_size": 1}, "--subset-size"),
        ({"flag_threshold": -1}, "--flag-threshold"),
        ({"sigma": 0.0}, "--sigma"),
        ({"sigma": "none"}, "--sigma cannot be none; it takes auto, paper"),
        ({"n_clusters": "many"}, "--n-clusters cannot be many; it takes auto"),
        ({"colour": "Lab"}, "--colour cannot be Lab; it takes balanced, lab, none"),
        ({"vote_weights": None}, "--vote-weights cannot be None; it takes confirmed"),
        ({"um_per_px": (0.1, -1.0)}, "--um-per-px"),
        ({"seed": -1}, "--seed"),
        ({"encoders": ()}, "--encoders"),
    ],
)
def test_options_out_of_range(change, message):
    with pytest.raises(DataError, match=message):
        Config(**change)
