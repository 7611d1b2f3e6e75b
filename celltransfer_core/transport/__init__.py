"""Alignment of embedding spaces (3.3): means, CORAL, Sinkhorn, fused Gromov-Wasserstein."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
