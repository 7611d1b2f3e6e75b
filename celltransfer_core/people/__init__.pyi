from .accuracy import (
    Concordance as Concordance,
    Estimate as Estimate,
    SampleAccuracy as SampleAccuracy,
    cells_needed as cells_needed,
    cohen_kappa as cohen_kappa,
    reader_pairs as reader_pairs,
    review_progress as review_progress,
    sample_accuracy as sample_accuracy,
    wilson as wilson,
)
from .calibration import (
    CALIBRATED_FROM as CALIBRATED_FROM,
    PRIOR_CURVE as PRIOR_CURVE,
    PRIOR_VARIANCE as PRIOR_VARIANCE,
    Calibration as Calibration,
    NotYet as NotYet,
    calibrate as calibrate,
    prediction_sets as prediction_sets,
)
from .hits import count_hits as count_hits
from .queue import (
    BLIND_FROM as BLIND_FROM,
    BLIND_SHARE as BLIND_SHARE,
    QUEUE_ORDERS as QUEUE_ORDERS,
    ReviewQueue as ReviewQueue,
    random_sample as random_sample,
    review_queue as review_queue,
    sample_order as sample_order,
)
from .reviews import (
    FinalTypes as FinalTypes,
    Review as Review,
    final_types as final_types,
    read_reviews as read_reviews,
    settled_answers as settled_answers,
)
from .updated import (
    KINDS as KINDS,
    Annotations as Annotations,
    UpdatedVote as UpdatedVote,
    annotations_of as annotations_of,
)
from .updater import VoteUpdater as VoteUpdater
