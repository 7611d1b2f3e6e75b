from .accuracy import (
    Estimate as Estimate,
    SampleAccuracy as SampleAccuracy,
    cells_needed as cells_needed,
    review_progress as review_progress,
    sample_accuracy as sample_accuracy,
    wilson as wilson,
)
from .active_inference import (
    Draws as Draws,
    Share as Share,
    draws_of as draws_of,
    estimate_share as estimate_share,
)
from .calibration import (
    CALIBRATED_FROM as CALIBRATED_FROM,
    PRIOR_CURVE as PRIOR_CURVE,
    PRIOR_VARIANCE as PRIOR_VARIANCE,
    Calibration as Calibration,
    Curve as Curve,
    NotYet as NotYet,
    calibrate as calibrate,
    curve_of as curve_of,
    prediction_sets as prediction_sets,
)
from .composition import (
    ESTIMATED_FROM as ESTIMATED_FROM,
    Inference as Inference,
    draws_needed as draws_needed,
    infer as infer,
    with_counting as with_counting,
)
from .counting import (
    USUAL_COUNTS as USUAL_COUNTS,
    are_compatible as are_compatible,
    count_limits as count_limits,
)
from .drawing import draw_chances as draw_chances
from .expected import (
    COVERED as COVERED,
    WARNED_BELOW as WARNED_BELOW,
    Expected as Expected,
    Learning as Learning,
    expect as expect,
)
from .flags import (
    Errors as Errors,
    Flags as Flags,
    expected_errors as expected_errors,
    find_flags as find_flags,
)
from .hits import count_hits as count_hits
from .must_find import (
    Sensitivity as Sensitivity,
    cells_to_show as cells_to_show,
    sensitivity as sensitivity,
)
from .queue import (
    BLIND_FROM as BLIND_FROM,
    BLIND_SHARE as BLIND_SHARE,
    QUEUE_ORDERS as QUEUE_ORDERS,
    ReviewQueue as ReviewQueue,
    random_sample as random_sample,
    review_queue as review_queue,
    sample_order as sample_order,
    wait_for_blind as wait_for_blind,
)
from .readers import (
    Concordance as Concordance,
    Reclassification as Reclassification,
    cohen_kappa as cohen_kappa,
    reader_pairs as reader_pairs,
    reclassification as reclassification,
)
from .reviews import (
    FinalTypes as FinalTypes,
    Review as Review,
    final_types as final_types,
    last_answers as last_answers,
    read_reviews as read_reviews,
    settled_answers as settled_answers,
)
from .tally import Tally as Tally, tally_answers as tally_answers
from .updated import (
    DECIDERS as DECIDERS,
    KINDS as KINDS,
    Annotations as Annotations,
    UpdatedVote as UpdatedVote,
    annotations_of as annotations_of,
)
from .updater import VoteUpdater as VoteUpdater
