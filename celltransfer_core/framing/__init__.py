"""One field of view and one colour scale for every cell, before any encoder sees it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
