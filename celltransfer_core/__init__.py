"""CellTransfer: type the cells of a new microscope from a set that is already typed."""

__version__ = "0.1.0"
