from .archives import Unpacked as Unpacked, unzip as unzip, wrapping_folder as wrapping_folder
from .checks import Checked as Checked, check_image as check_image, name_problem as name_problem
from .dataset import (
    Dataset as Dataset,
    PixelScale as PixelScale,
    Remark as Remark,
    image_sizes as image_sizes,
    stored_at as stored_at,
)
from .folders import (
    find_files as find_files,
    read_dataset as read_dataset,
    stored_dataset as stored_dataset,
)
from .images import (
    EXTENSIONS as EXTENSIONS,
    MAX_BYTES as MAX_BYTES,
    decode as decode,
    read_pixels as read_pixels,
    resize as resize,
    to_rgb as to_rgb,
)
from .pooling import draw_per_class as draw_per_class, pool as pool
from .tables import (
    LABELS_FILE as LABELS_FILE,
    METADATA_FILE as METADATA_FILE,
    read_table as read_table,
)
