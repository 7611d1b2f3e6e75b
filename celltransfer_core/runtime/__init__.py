"""Execution of work and storage of its results: processes, Dask, the cache, whole-file writes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
