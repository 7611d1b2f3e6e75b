"""Tables, manifest, report and archives of a run; and the tables read back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
