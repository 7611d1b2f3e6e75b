"""Identification of the clusters' types: similarity scores (A.2), t-SNE plane, matches."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
