"""Plotly figures of a run's results: arrays and tables in, one figure out.

A cell type has the same colour and symbol in every figure. Colours mean cell types and nothing
else: sets differ by shape, clusters by number, and voters, thresholds and progress are grey.
Backgrounds are transparent and text takes the page's own colour, so that a figure fits a light
and a dark page. Names of types, sets, files and voters come from users: they are escaped wherever
plotly would read them as markup.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
