"""Plotly figures of a run's results.

A cell type has the same colour and symbol in every figure. Colours stand only for cell types: sets
differ by shape, clusters by number, and voters, thresholds and progress are grey. Backgrounds are
transparent and text has the colour of the page, so that a figure fits light and dark pages. Names
of types, sets, files and voters come from users: they are escaped wherever plotly would interpret
them as markup.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
