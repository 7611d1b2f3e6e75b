from .catalogue import (
    AvailableEncoder as AvailableEncoder,
    add_encoder as add_encoder,
    available_encoders as available_encoders,
    encoder_names as encoder_names,
    fetch_encoder as fetch_encoder,
    how_to_get as how_to_get,
    load_encoder as load_encoder,
    parse_encoders as parse_encoders,
    published_encoder as published_encoder,
)
from .embedding import (
    BATCH_SIZE as BATCH_SIZE,
    embed as embed,
    embed_together as embed_together,
    encode as encode,
)
from .foundation import (
    FoundationEncoder as FoundationEncoder,
    batch_size as batch_size,
    best_device as best_device,
    forward_pass as forward_pass,
    in_torch as in_torch,
)
from .onnx import OnnxEncoder as OnnxEncoder, read_spec as read_spec
from .pixels import standardise as standardise
from .references import (
    EncoderReference as EncoderReference,
    encoder_reference as encoder_reference,
    usable_encoder as usable_encoder,
)
from .registry import (
    BUILTIN as BUILTIN,
    DEFAULT_ENCODERS as DEFAULT_ENCODERS,
    Encoder as Encoder,
    EncoderSpec as EncoderSpec,
    published_encoders as published_encoders,
)
from .weights import fetch as fetch, file_hash as file_hash, weights_folder as weights_folder
