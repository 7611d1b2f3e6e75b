from .about import RESEARCH_USE as RESEARCH_USE, __version__ as __version__
from .config import PAPER as PAPER, Config as Config
from .data.dataset import Dataset as Dataset
from .data.folders import read_dataset as read_dataset
from .outputs.model_file import read_model as read_model
from .outputs.write import write_run as write_run
from .pipeline.portable import CellClassifier as CellClassifier
from .pipeline.result import RunResult as RunResult
from .pipeline.runs import run as run
