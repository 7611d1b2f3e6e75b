from .comparisons import (
    describe_comparison as describe_comparison,
    method_name as method_name,
    p_value as p_value,
    prediction_name as prediction_name,
)
from .error_matrix import Share as Share, error_matrix_figure as error_matrix_figure
from .html import results_html as results_html
from .markdown import markdown_table as markdown_table, results_markdown as results_markdown
from .plots import (
    accuracy_figure as accuracy_figure,
    agreement_worth_figure as agreement_worth_figure,
    figures as figures,
    low_label_figure as low_label_figure,
    reader_figure as reader_figure,
    reliability_figure as reliability_figure,
)
from .sentences import (
    FILTERING_NAMES as FILTERING_NAMES,
    LABELS_USED as LABELS_USED,
    OT_NAMES as OT_NAMES,
    SIGNIFICANT as SIGNIFICANT,
    describe_reading as describe_reading,
)
from .tables import (
    calibration_table as calibration_table,
    ensemble_predictions_table as ensemble_predictions_table,
    identification_table as identification_table,
    matched_clusters as matched_clusters,
    reader_table as reader_table,
    results_table as results_table,
)
from .write import write_evaluation as write_evaluation
