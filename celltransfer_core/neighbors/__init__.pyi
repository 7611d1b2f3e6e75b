from .graph import (
    N_NEIGHBORS as N_NEIGHBORS,
    direct_distances as direct_distances,
    edge_weights as edge_weights,
    geodesic_distances as geodesic_distances,
    knn_graph as knn_graph,
    off_diagonal as off_diagonal,
    similarity_matrix as similarity_matrix,
)
from .knn import (
    EntropyWeightedKNN as EntropyWeightedKNN,
    normalized_entropy as normalized_entropy,
    vote_shares as vote_shares,
)
from .search import (
    RECALL as RECALL,
    NearestIndex as NearestIndex,
    distance_to_marked as distance_to_marked,
    euclidean_distances as euclidean_distances,
    nearest as nearest,
    nearest_others as nearest_others,
    other_rows as other_rows,
)
