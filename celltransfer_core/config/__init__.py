"""Settings of a run, each declared once, see :mod:`celltransfer_core.config.config`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
