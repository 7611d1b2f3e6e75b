from .aligned import (
    ALIGNERS as ALIGNERS,
    Gallery as Gallery,
    align as align,
    drawn_rows as drawn_rows,
    unaligned as unaligned,
)
from .between_slides import drift_between_slides as drift_between_slides
from .browse import (
    CellVote as CellVote,
    nearest_reference as nearest_reference,
    split_by_alignment as split_by_alignment,
    votes_of_cell as votes_of_cell,
)
from .clusters import Clusters as Clusters
from .contents import check_contents as check_contents, cluster_hashes as cluster_hashes
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
    shorten_hashes as shorten_hashes,
    split_in_two as split_in_two,
)
from .embedded import embed_sets as embed_sets, load_encoders as load_encoders
from .estimate import estimate_run as estimate_run
from .expected import (
    expected_accuracy as expected_accuracy,
    mean_agreement as mean_agreement,
)
from .features import (
    Block as Block,
    Embeddings as Embeddings,
    add_discriminant as add_discriminant,
    level_sources as level_sources,
    representation as representation,
)
from .filters import (
    CELL_ORDERS as CELL_ORDERS,
    REVIEWED as REVIEWED,
    WHOLE as WHOLE,
    CellFacts as CellFacts,
    CellFilter as CellFilter,
    CellOrder as CellOrder,
    cell_facts as cell_facts,
    faults_of as faults_of,
    fitting_cells as fitting_cells,
    sort_cells as sort_cells,
)
from .inferred import infer_run as infer_run
from .likeness import likeness as likeness
from .maps import (
    MAP_CELLS as MAP_CELLS,
    CellMap as CellMap,
    Layout as Layout,
    draw_map as draw_map,
    layouts as layouts,
)
from .mended import map_of as map_of, with_reference as with_reference
from .named import (
    detect as detect,
    find_clusters as find_clusters,
    identify as identify,
    score_sets as score_sets,
)
from .phases import Sizes as Sizes, estimate_phases as estimate_phases
from .portable import CellClassifier as CellClassifier
from .prepared import frame_as_suits as frame_as_suits, prepare as prepare
from .purity import (
    MIXED as MIXED,
    Opinion as Opinion,
    Purity as Purity,
    by_disagreement as by_disagreement,
    cluster_purity as cluster_purity,
    opinion_of_run as opinion_of_run,
    quick_opinion as quick_opinion,
    split_mixed as split_mixed,
)
from .reference_check import (
    ReferenceCheck as ReferenceCheck,
    check_labels as check_labels,
    check_reference as check_reference,
)
from .result import (
    DISCRIMINANT as DISCRIMINANT,
    Named as Named,
    Prepared as Prepared,
    RunResult as RunResult,
    Solve as Solve,
    Voter as Voter,
    type_names as type_names,
)
from .runs import run as run, transfer as transfer
from .selection import Selection as Selection, select_cells as select_cells
from .slide_drift import (
    FIGURES as FIGURES,
    Figure as Figure,
    SlideDrift as SlideDrift,
    Usual as Usual,
    compare_slides as compare_slides,
    find_drift as find_drift,
    usual_figures as usual_figures,
)
from .slips import (
    ClusterState as ClusterState,
    cluster_state as cluster_state,
    possible_slips as possible_slips,
)
from .sources import NearestSets as NearestSets
from .subsets import (
    apportion as apportion,
    draw_reference as draw_reference,
    split_query as split_query,
)
from .suited import (
    Suited as Suited,
    suit_reference as suit_reference,
    typed_by_others as typed_by_others,
)
from .typed_batch import FLAGGED_BELOW as FLAGGED_BELOW, TypedBatch as TypedBatch
from .updates import drift as drift, update_vote as update_vote, vote_updater as vote_updater
from .view import View as View, view_of as view_of
from .votes import (
    classify as classify,
    ensemble_vote as ensemble_vote,
    ensemble_weights as ensemble_weights,
    has_alignment as has_alignment,
    predict_aligned as predict_aligned,
    predict_unaligned as predict_unaligned,
    recount as recount,
    transport_counts as transport_counts,
    weigh as weigh,
)
