"""The whole method (3.1 to 3.4) as pure functions over arrays."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
