from .cache import ROOM as ROOM, Cache as Cache, fingerprint as fingerprint, home as home
from .cluster import on_cluster as on_cluster
from .environment import SCHEDULER as SCHEDULER, cpu_count as cpu_count
from .files import check_writable as check_writable, write_atomically as write_atomically
from .tasks import run_tasks as run_tasks
