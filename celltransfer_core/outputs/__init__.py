"""What leaves a run: tables, manifest, report, archives, and tables read back in.

A :class:`celltransfer_core.pipeline.result.RunResult` goes in, with the readers' answers; files
and their bytes come out. The same results give the same bytes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
