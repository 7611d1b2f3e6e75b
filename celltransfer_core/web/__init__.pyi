from .addresses import (
    CELL as CELL,
    current_workspace as current_workspace,
    file_url as file_url,
    image_url as image_url,
    report_url as report_url,
)
from .door import Door as Door
from .endpoints import download_routes as download_routes, routes as routes
from .folders import (
    ROOTS as ROOTS,
    import_roots as import_roots,
    importable as importable,
    offered_folders as offered_folders,
    watchable as watchable,
)
from .headers import SafeHeaders as SafeHeaders, inline_scripts as inline_scripts
from .hosts import HOSTS as HOSTS, MeantHosts as MeantHosts, meant_hosts as meant_hosts
from .sign_in import SignInError as SignInError, SignIns as SignIns, person as person
from .uploads import TOKEN_HEADER as TOKEN_HEADER, upload_access as upload_access
from .watched import (
    EVERY as EVERY,
    unsaved_problem as unsaved_problem,
    watch_folder as watch_folder,
    watch_folders as watch_folders,
)
