"""Nearest neighbours: search, the entropy-weighted k-NN (3.4), the kNN graph (eqs 6–7)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
