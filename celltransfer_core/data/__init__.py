"""Read images, folders, tables and archives into a :class:`Dataset`; list what was left out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
