"""Outputs of a run: tables, manifest, report, archives, and reading such tables back.

Turns a :class:`celltransfer_core.pipeline.result.RunResult`, with the readers' answers, into files
and their bytes. The same results give the same bytes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
