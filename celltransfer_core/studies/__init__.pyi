from .answers import (
    Answer as Answer,
    list_answers as list_answers,
    revised_payloads as revised_payloads,
)
from .arriving_files import Arrivals as Arrivals, add_files as add_files
from .batches import (
    Batch as Batch,
    add_batch as add_batch,
    as_new_study as as_new_study,
    batches_of as batches_of,
    count_cells as count_cells,
    describe_problems as describe_problems,
    known_cells as known_cells,
    type_batches as type_batches,
    typed_batches as typed_batches,
)
from .current import (
    CurrentRun as CurrentRun,
    load_current as load_current,
)
from .demo import (
    DEMO_NAME as DEMO_NAME,
    DEMO_READER as DEMO_READER,
    fill_demo as fill_demo,
    introduce_demo as introduce_demo,
    open_demo as open_demo,
)
from .desks import HELD as HELD
from .embeddings_read import query_embeddings as query_embeddings
from .erasure import RECENT as RECENT, Sweep as Sweep
from .find_studies import (
    TAG_KINDS as TAG_KINDS,
    StudyFilter as StudyFilter,
    find_studies as find_studies,
    suggested_tags as suggested_tags,
    tags_in_use as tags_in_use,
)
from .finished import (
    FinishedStudy as FinishedStudy,
    add_finished as add_finished,
    find_study as find_study,
    finished_run as finished_run,
    finished_studies as finished_studies,
    open_finished as open_finished,
    study_reference as study_reference,
)
from .job_plan import expected_seconds as expected_seconds, plan_job as plan_job
from .job_process import run_job as run_job
from .kept import (
    has_result as has_result,
    load_clusters as load_clusters,
    load_evaluation as load_evaluation,
    load_map as load_map,
    load_named as load_named,
    load_prepared as load_prepared,
    load_result as load_result,
    load_run as load_run,
    save_result as save_result,
)
from .label_mends import (
    LABEL as LABEL,
    label_decisions as label_decisions,
    label_payload as label_payload,
    mended_reference as mended_reference,
)
from .opinions import load_opinion as load_opinion, split_edits as split_edits
from .payloads import (
    aside_payloads as aside_payloads,
    brought_payloads as brought_payloads,
    edit_payload as edit_payload,
    match_payloads as match_payloads,
    name_payload as name_payload,
    review_payloads as review_payloads,
    split_payloads as split_payloads,
)
from .preparations import (
    export_path as export_path,
    preparation as preparation,
    start_preparation as start_preparation,
    wait as wait,
)
from .processes import (
    arrived as arrived,
    cancel as cancel,
    current_job as current_job,
    silence as silence,
    start as start,
    states as states,
)
from .records import (
    BATCH as BATCH,
    BATCH_REVIEW as BATCH_REVIEW,
    MAX_NAME as MAX_NAME,
    ROLES as ROLES,
    Decision as Decision,
    Erasure as Erasure,
    ImageSet as ImageSet,
    Role as Role,
    Study as Study,
    Watch as Watch,
    now as now,
)
from .reference_checks import (
    check_path as check_path,
    load_check as load_check,
    mended_cells as mended_cells,
)
from .rematched import match_edited as match_edited
from .renamed import decisions_now as decisions_now
from .sample_types import (
    EXPECT as EXPECT,
    FEWEST_TYPES as FEWEST_TYPES,
    ExpectedTypes as ExpectedTypes,
    expect_payloads as expect_payloads,
    expected_types as expected_types,
)
from .saved_filters import (
    FILTER as FILTER,
    FilterAddress as FilterAddress,
    filter_payloads as filter_payloads,
    saved_filters as saved_filters,
)
from .speeds import learn_speeds as learn_speeds, load_speeds as load_speeds
from .stages import (
    STAGES as STAGES,
    Stage as Stage,
    Target as Target,
    evaluation_path as evaluation_path,
    layout_of as layout_of,
    protocol_of as protocol_of,
    stage_keys as stage_keys,
    study_config as study_config,
)
from .standing import (
    Standing as Standing,
    standing_decisions as standing_decisions,
    standing_names as standing_names,
)
from .steps import (
    RECOMMENDED as RECOMMENDED,
    Mark as Mark,
    Step as Step,
    Steps as Steps,
    steps_of as steps_of,
)
from .study_moves import (
    Imported as Imported,
    export_study as export_study,
    import_study as import_study,
)
from .study_runs import (
    NOW as NOW,
    StudyRun as StudyRun,
    reviewed_run as reviewed_run,
    study_runs as study_runs,
)
from .timetable import Outlook as Outlook, Timetable as Timetable, outlook_of as outlook_of
from .truth import study_labels as study_labels
from .watching import Watcher as Watcher
from .work import bring_up_to as bring_up_to
from .workspace import Workspace as Workspace
