from .options import FAULT as FAULT, INTERRUPTED as INTERRUPTED, MENDABLE as MENDABLE
from .sentences import describe_run as describe_run
