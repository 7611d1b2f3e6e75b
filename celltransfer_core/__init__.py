"""CellTransfer: type the cells of a new microscope from a set that is already typed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
