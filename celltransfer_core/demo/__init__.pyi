from .cells import CELL_TYPES as CELL_TYPES, draw_cell as draw_cell
from .sets import DRAWN_NOTICE as DRAWN_NOTICE, draw_demo as draw_demo
from .styles import (
    QUERY_STYLE as QUERY_STYLE,
    REFERENCE_STYLE as REFERENCE_STYLE,
    REFERENCE_TYPES as REFERENCE_TYPES,
)
