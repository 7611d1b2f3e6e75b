from .colour import Colour as Colour, ColourMap as ColourMap, balance as balance
from .crops import Crops as Crops
from .measures import MEASURES as MEASURES, measure as measure
from .nuclei import Nuclei as Nuclei, find_nuclei as find_nuclei
from .nucleus import (
    FIELD_OF_VIEW as FIELD_OF_VIEW,
    Nucleus as Nucleus,
    Seen as Seen,
    cut as cut,
    draw_cut as draw_cut,
    find_nucleus as find_nucleus,
    look_at as look_at,
    square as square,
)
from .quality import (
    FAULTS as FAULTS,
    Fault as Fault,
    Quality as Quality,
    Shift as Shift,
    judge_quality as judge_quality,
)
from .sets import (
    MIN_SHARE_FOUND as MIN_SHARE_FOUND,
    Framing as Framing,
    choose_framing as choose_framing,
    frame_sets as frame_sets,
    lab_moments as lab_moments,
)
from .trial import try_framing as try_framing
