"""TODO celltransfer_core/studies/sets_read.py."""

from __future__ import annotations

import json

from celltransfer_core.studies.records import ImageSet


def _key(image_set: ImageSet) -> tuple[str, ...]:
    return (image_set.id, image_set.revision, json.dumps(dict(image_set.mapping)))
