from .aligned import (
    ALIGNERS as ALIGNERS,
    Gallery as Gallery,
    align as align,
    drawn_rows as drawn_rows,
    unaligned as unaligned,
)
from .browse import (
    CELL_ORDERS as CELL_ORDERS,
    find_cells as find_cells,
    nearest_reference as nearest_reference,
    said_of as said_of,
    sides as sides,
)
from .draws import (
    Draws as Draws,
    TransferPlan as TransferPlan,
    plan_draws as plan_draws,
    plan_transfer as plan_transfer,
)
from .edits import (
    central_first as central_first,
    edit_clusters as edit_clusters,
    extend_selection as extend_selection,
    short as short,
    split_in_two as split_in_two,
)
from .estimate import estimate_run as estimate_run
from .maps import (
    MAP_CELLS as MAP_CELLS,
    CellMap as CellMap,
    CellPlane as CellPlane,
    Layout as Layout,
    draw_map as draw_map,
    layouts as layouts,
)
from .named import (
    cluster_features as cluster_features,
    detect as detect,
    find_clusters as find_clusters,
    identify as identify,
    score_sets as score_sets,
)
from .prepared import (
    embed_sets as embed_sets,
    load_encoders as load_encoders,
    prepare as prepare,
    representation as representation,
)
from .result import (
    Clusters as Clusters,
    Named as Named,
    Prepared as Prepared,
    RunResult as RunResult,
    Solve as Solve,
    Voter as Voter,
    level_sources as level_sources,
    type_names as type_names,
)
from .runs import run as run, transfer as transfer
from .subsets import (
    apportion as apportion,
    draw_reference as draw_reference,
    split_query as split_query,
)
from .updates import drift as drift, update_vote as update_vote, vote_updater as vote_updater
from .votes import (
    classify as classify,
    ensemble_vote as ensemble_vote,
    predict_voters as predict_voters,
    recount as recount,
    weigh as weigh,
)
