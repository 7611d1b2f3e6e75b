from .batches import Batch as Batch, Batches as Batches
from .cells import joined as joined, pack as pack
from .check import check_on_held_back as check_on_held_back, embed_images as embed_images
from .export import write_encoder as write_encoder
from .fit import train as train, train_encoder as train_encoder
from .held_back import (
    HELD_BACK as HELD_BACK,
    held_back_view as held_back_view,
    plain_view as plain_view,
)
from .kinds import groups_of as groups_of, kinds_of as kinds_of, leaf_kinds as leaf_kinds
from .last_layer import train_last as train_last
from .losses import (
    contrastive_loss as contrastive_loss,
    distillation_loss as distillation_loss,
    kinds_loss as kinds_loss,
    relation_loss as relation_loss,
)
from .microscopes import FIELD as FIELD, random_microscopes as random_microscopes
from .network import (
    VIEWS as VIEWS,
    CellNetwork as CellNetwork,
    Committee as Committee,
    HalfInstanceNorm as HalfInstanceNorm,
)
from .recipe import recipe_from as recipe_from
from .sampling import (
    balanced_batches as balanced_batches,
    split_cells as split_cells,
    telling_groups as telling_groups,
)
from .stains import measure_stains as measure_stains, swap_stains as swap_stains
from .warm_start import begin_with as begin_with
