"""Clusters of query cells (A.1): node degree as published, Louvain, Gaussian mixture."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
