from .answer_files import read_elsewhere as read_elsewhere
from .brought_in import (
    BroughtIn as BroughtIn,
    Said as Said,
    answers_before_and_after as answers_before_and_after,
    bring_in as bring_in,
    said_in_folders as said_in_folders,
    said_in_table as said_in_table,
)
from .check_table import (
    Mended as Mended,
    check_table as check_table,
    labels_table as labels_table,
)
from .command import command_line as command_line, shown_channels as shown_channels
from .compared import (
    Change as Change,
    ComparedRuns as ComparedRuns,
    Difference as Difference,
    ReviewedRun as ReviewedRun,
    compare_runs as compare_runs,
)
from .differential import (
    batches_differential as batches_differential,
    differential_table as differential_table,
    with_estimates as with_estimates,
)
from .drift import (
    ANEW as ANEW,
    describe_drift as describe_drift,
    drift_page as drift_page,
    drift_table as drift_table,
    transport_pays as transport_pays,
)
from .expectation import (
    describe_expected as describe_expected,
    describe_poor as describe_poor,
    expected_fields as expected_fields,
)
from .formats import (
    csv_bytes as csv_bytes,
    json_bytes as json_bytes,
    parquet_bytes as parquet_bytes,
    write_h5ad as write_h5ad,
)
from .images import write_images as write_images
from .known_types import NewTypes as NewTypes
from .manifests import (
    inputs_manifest as inputs_manifest,
    manifest as manifest,
    without_names as without_names,
)
from .model_file import read_model as read_model, write_model as write_model
from .page import Page as Page, data_uri as data_uri
from .pseudonyms import Pseudonyms as Pseudonyms
from .quality import (
    add_quality as add_quality,
    describe_faults as describe_faults,
    describe_shifts as describe_shifts,
    quality_table as quality_table,
)
from .read_back import (
    read_answers as read_answers,
    read_clusters as read_clusters,
    read_matches as read_matches,
    read_said as read_said,
)
from .reference_cells import (
    LEAST_CONFIDENCE as LEAST_CONFIDENCE,
    ReferenceCell as ReferenceCell,
    ReferenceCells as ReferenceCells,
    find_reference_cells as find_reference_cells,
    write_reference as write_reference,
    write_reference_zip as write_reference_zip,
)
from .report import About as About, report_html as report_html
from .sentences import (
    describe_accuracy as describe_accuracy,
    describe_composition as describe_composition,
    describe_concordance as describe_concordance,
    describe_flags as describe_flags,
    describe_left_out as describe_left_out,
    describe_nearest as describe_nearest,
    describe_reclassification as describe_reclassification,
    describe_ruled_out as describe_ruled_out,
    describe_sample as describe_sample,
    describe_sensitivity as describe_sensitivity,
    describe_share as describe_share,
    interval as interval,
    missing_transport as missing_transport,
    percent as percent,
)
from .study_tables import StudyTables as StudyTables
from .tables import (
    BY_PREDICTION as BY_PREDICTION,
    TAKEN_FIRST as TAKEN_FIRST,
    cells_table as cells_table,
    clusters_table as clusters_table,
    matches_table as matches_table,
    predictions_table as predictions_table,
    reviewed_table as reviewed_table,
    reviews_table as reviews_table,
)
from .typed_by_model import (
    batches_table as batches_table,
    model_manifest as model_manifest,
    typed_table as typed_table,
    with_batches as with_batches,
)
from .votes import (
    describe_votes as describe_votes,
    voter_label as voter_label,
)
from .workbook import write_workbook as write_workbook
from .write import write_run as write_run
