"""From aligned embeddings to types (3.4): the ensemble vote, linear probe, NMTune."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
