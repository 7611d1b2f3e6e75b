from .matches import (
    MOST_ALIKE as MOST_ALIKE,
    Confirmation as Confirmation,
    Match as Match,
    confirmed_share as confirmed_share,
    match_clusters as match_clusters,
    most_alike as most_alike,
    shared_types as shared_types,
    type_weights as type_weights,
)
from .plane import (
    ClusterPlane as ClusterPlane,
    Refinement as Refinement,
    refine as refine,
    tsne_plane as tsne_plane,
)
from .rows import centre as centre, group_means as group_means
from .scores import (
    Similarity as Similarity,
    combine_encoders as combine_encoders,
    match_score as match_score,
    mean_cosine as mean_cosine,
    reference_similarity as reference_similarity,
    select_encoders as select_encoders,
    signal_to_noise as signal_to_noise,
    similarity as similarity,
    squashed_scores as squashed_scores,
)
