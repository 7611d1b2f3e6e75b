from .cache import (
    MAX_RESULT_BYTES as MAX_RESULT_BYTES,
    Cache as Cache,
    fingerprint as fingerprint,
)
from .cluster import on_cluster as on_cluster
from .environment import SCHEDULER as SCHEDULER
from .extras import how_to_install as how_to_install, missing as missing
from .files import (
    check_writable as check_writable,
    make_folder as make_folder,
    read_if_whole as read_if_whole,
    sync_folder as sync_folder,
    write_atomically as write_atomically,
    write_together as write_together,
    write_whole as write_whole,
)
from .home_folder import home as home
from .progress import Phase as Phase, counted_together as counted_together
from .system import cpu_count as cpu_count
from .tasks import run_tasks as run_tasks
