from .affine import (
    CentreAligner as CentreAligner,
    CoralAligner as CoralAligner,
    LinearAligner as LinearAligner,
)
from .fgw import (
    Solver as Solver,
    TransportLog as TransportLog,
    fused_gromov_wasserstein as fused_gromov_wasserstein,
    pot_alpha as pot_alpha,
)
from .plans import FGWAligner as FGWAligner, Map as Map, SinkhornAligner as SinkhornAligner
