"""Two synthetic sets of cells for trials: a reference, and a query with another appearance."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
