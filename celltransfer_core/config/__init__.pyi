from .config import (
    DEFAULT as DEFAULT,
    PAPER as PAPER,
    PRESETS as PRESETS,
    SETTINGS as SETTINGS,
    Config as Config,
    config_from as config_from,
    panel as panel,
    setting as setting,
)
from .samples import (
    STATES as STATES,
    Sample as Sample,
    TypeState as TypeState,
    find_sample as find_sample,
    sample_kinds as sample_kinds,
)
from .settings import Choice as Choice, Setting as Setting, voter_name as voter_name
