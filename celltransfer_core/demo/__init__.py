"""Two drawn sets of cells to try everything with: a reference, and a query of another look."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
