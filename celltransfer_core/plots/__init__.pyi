from .captions import CAPTIONS as CAPTIONS, caption_of as caption_of
from .colours import (
    CLUSTER_PALETTE as CLUSTER_PALETTE,
    NONE_COLOUR as NONE_COLOUR,
    PALETTE as PALETTE,
    SET_PALETTE as SET_PALETTE,
    SYMBOLS as SYMBOLS,
    cluster_colours as cluster_colours,
    set_colours as set_colours,
    type_colours as type_colours,
    type_symbols as type_symbols,
)
from .counts import (
    composition_figure as composition_figure,
    differential_figure as differential_figure,
    review_progress_figure as review_progress_figure,
    sizes_figure as sizes_figure,
    types_figure as types_figure,
)
from .drift import (
    between_slides_figure as between_slides_figure,
    drift_figure as drift_figure,
)
from .maps import group_places as group_places, map_figure as map_figure
from .planes import (
    cluster_plane_figure as cluster_plane_figure,
    score_plane_figure as score_plane_figure,
)
from .similarity import (
    similarity_heatmap as similarity_heatmap,
    votes_heatmap as votes_heatmap,
)
from .votes import (
    agreement_figure as agreement_figure,
    confusion_figure as confusion_figure,
    disagreement_figure as disagreement_figure,
    transport_gain_figure as transport_gain_figure,
    transport_quality_figure as transport_quality_figure,
)
