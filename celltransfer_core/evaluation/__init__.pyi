from .judges import majority_words as majority_words
from .measured import evaluate as evaluate
from .metrics import (
    Curve as Curve,
    Reliability as Reliability,
    agreement_curve as agreement_curve,
    counted as counted,
    folds as folds,
    holm as holm,
    identification as identification,
    intervals as intervals,
    majority_types as majority_types,
    paired_p as paired_p,
    parts_to_score as parts_to_score,
    reliability as reliability,
    resample as resample,
    score as score,
)
from .paper import (
    TABLES as TABLES,
    Printed as Printed,
    inconsistencies as inconsistencies,
    printed as printed,
    read_tables as read_tables,
)
from .played_reader import MOST_ANSWERS as MOST_ANSWERS, play_reader as play_reader
from .protocol import (
    CONCATENATIONS as CONCATENATIONS,
    METHODS as METHODS,
    OT as OT,
    Protocol as Protocol,
    recipe as recipe,
    with_concatenations as with_concatenations,
)
from .result import (
    ASKING_ORDERS as ASKING_ORDERS,
    Evaluation as Evaluation,
    Gain as Gain,
    Point as Point,
    Reading as Reading,
    Row as Row,
)
from .truth import true_labels as true_labels
