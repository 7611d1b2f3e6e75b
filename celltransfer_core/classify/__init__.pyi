from .label_errors import (
    doubt as doubt,
    far_out as far_out,
    out_of_sample as out_of_sample,
)
from .linear import LinearProbe as LinearProbe
from .nmtune import (
    NMTune as NMTune,
    consistency_loss as consistency_loss,
    covariance_loss as covariance_loss,
    dominant_singular_loss as dominant_singular_loss,
)
from .probe import draw_cells as draw_cells
from .taught_types import (
    LinearTypes as LinearTypes,
    TaughtTypes as TaughtTypes,
    fit_types as fit_types,
    teach_types as teach_types,
)
from .voting import (
    Vote as Vote,
    cell_weights as cell_weights,
    count_votes as count_votes,
    leave_one_out_accuracy as leave_one_out_accuracy,
    margin as margin,
    mean_probabilities as mean_probabilities,
    mixing as mixing,
    voter_weights as voter_weights,
    voters_split as voters_split,
    weighted_vote as weighted_vote,
)
