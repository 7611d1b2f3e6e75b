from .command import command_line as command_line
from .formats import (
    csv_bytes as csv_bytes,
    json_bytes as json_bytes,
    parquet_bytes as parquet_bytes,
    write_h5ad as write_h5ad,
)
from .images import write_images as write_images
from .manifests import (
    inputs_manifest as inputs_manifest,
    manifest as manifest,
    without_names as without_names,
)
from .page import Page as Page, data_uri as data_uri
from .pseudonyms import Pseudonyms as Pseudonyms
from .read_back import (
    read_answers as read_answers,
    read_clusters as read_clusters,
    read_matches as read_matches,
)
from .report import About as About, report_html as report_html
from .sentences import (
    describe_concordance as describe_concordance,
    describe_sample as describe_sample,
    missing_transport as missing_transport,
    percent as percent,
)
from .study_tables import StudyTables as StudyTables
from .tables import (
    clusters_table as clusters_table,
    differential_table as differential_table,
    matches_table as matches_table,
    predictions_table as predictions_table,
    reviewed_table as reviewed_table,
    reviews_table as reviews_table,
)
from .write import write_run as write_run
