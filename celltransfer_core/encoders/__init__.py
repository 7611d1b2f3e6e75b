"""Vision encoders (3.1): registry, weights, and embeddings of framed images."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
