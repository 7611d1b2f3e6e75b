from .archives import Unpacked as Unpacked, unzip as unzip, wrapping_folder as wrapping_folder
from .channels import parse_channels as parse_channels
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
)
from .levels import (
    INNERMOST as INNERMOST,
    Level as Level,
    LevelError as LevelError,
    levels_of as levels_of,
    read_level as read_level,
)
from .overlap import (
    Overlap as Overlap,
    find_repeated as find_repeated,
    find_shared as find_shared,
)
from .passed_over import PassedOver as PassedOver, count_passed_over as count_passed_over
from .pixels import Pixels as Pixels, to_rgb as to_rgb
from .pooling import draw_per_class as draw_per_class, pool as pool, unpool as unpool
from .scales import FAR_BELOW as FAR_BELOW, describe_scale as describe_scale
from .suspicions import (
    Suspicion as Suspicion,
    count_unseen as count_unseen,
    find_suspicions as find_suspicions,
)
from .table_bytes import TableText as TableText, decode_table as decode_table
from .table_columns import ColumnsError as ColumnsError
from .table_rows import TableHeader as TableHeader, read_header as read_header
from .tables import (
    LABELS_FILE as LABELS_FILE,
    METADATA_FILE as METADATA_FILE,
    read_table as read_table,
)
from .type_names import (
    answer_named as answer_named,
    close_match as close_match,
    doubtful_types as doubtful_types,
    plurals as plurals,
    same_type as same_type,
    tidy_name as tidy_name,
)
