from .current import CurrentRun as CurrentRun, load_current as load_current
from .demo import (
    DEMO_NAME as DEMO_NAME,
    DEMO_READER as DEMO_READER,
    fill_demo as fill_demo,
    introduce_demo as introduce_demo,
    open_demo as open_demo,
)
from .kept import (
    has_result as has_result,
    load_clusters as load_clusters,
    load_evaluation as load_evaluation,
    load_map as load_map,
    load_named as load_named,
    load_prepared as load_prepared,
    load_result as load_result,
    load_run as load_run,
    query_embeddings as query_embeddings,
    save_result as save_result,
)
from .payloads import (
    edit_payload as edit_payload,
    match_payloads as match_payloads,
    name_payload as name_payload,
    review_payloads as review_payloads,
)
from .preparations import (
    export_path as export_path,
    preparation as preparation,
    start_preparation as start_preparation,
    wait as wait,
)
from .processes import (
    cancel as cancel,
    current_job as current_job,
    run_job as run_job,
    start as start,
    states as states,
)
from .records import (
    ROLES as ROLES,
    Decision as Decision,
    ImageSet as ImageSet,
    Role as Role,
    Study as Study,
    now as now,
)
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
from .truth import study_labels as study_labels
from .work import bring_up_to as bring_up_to
from .workspace import Sweep as Sweep, Workspace as Workspace
