from .comparison import (
    Comparison as Comparison,
    Mistake as Mistake,
    Pair as Pair,
    compare as compare,
    mistakes as mistakes,
)
from .filtering import majority_confirmations as majority_confirmations
from .measured import evaluate as evaluate
from .metrics import (
    Curve as Curve,
    Reliability as Reliability,
    agreement_curve as agreement_curve,
    counted as counted,
    deal_cells as deal_cells,
    folds as folds,
    holm as holm,
    identification as identification,
    intervals as intervals,
    majority_types as majority_types,
    paired_p as paired_p,
    reliability as reliability,
    resample as resample,
    score as score,
    shared_labels as shared_labels,
)
from .paper import (
    TABLES as TABLES,
    Printed as Printed,
    inconsistencies as inconsistencies,
    printed as printed,
    read_tables as read_tables,
)
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
    Prediction as Prediction,
    Reading as Reading,
    Row as Row,
)
from .simulated_reader import (
    MOST_ANSWERS as MOST_ANSWERS,
    SimulatedReader as SimulatedReader,
    simulate_reader as simulate_reader,
)
from .truth import true_labels as true_labels
