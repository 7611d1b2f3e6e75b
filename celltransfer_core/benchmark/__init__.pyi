from .pairs import Pair as Pair, read_pairs as read_pairs
from .run import options_of as options_of, pair_folder as pair_folder, run_pairs as run_pairs
from .sets import load_pair as load_pair, load_set as load_set, true_types as true_types
from .summary import mean_table as mean_table, write_summary as write_summary
