from .base import (
    UNASSIGNED as UNASSIGNED,
    Sigma as Sigma,
    by_size as by_size,
    choose_sigma as choose_sigma,
    dissolve_small as dissolve_small,
    label_the_rest as label_the_rest,
)
from .components import discriminant as discriminant, principal_components as principal_components
from .louvain import LouvainClustering as LouvainClustering
from .measures import (
    hop_neighbours as hop_neighbours,
    is_compact as is_compact,
    jaccard_matrix as jaccard_matrix,
    node_correlation as node_correlation,
    node_density as node_density,
)
from .mixture import Auto as Auto, MixtureClustering as MixtureClustering
from .node_degree import (
    NodeDegreeClustering as NodeDegreeClustering,
    central_candidates as central_candidates,
    grow_clusters as grow_clusters,
)
