"""Columns that organize studies: tags, and when a study was archived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0.2.0.2"
down_revision = "0.2.0"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("studies", sa.Column("tags", sa.JSON()))
    op.add_column("studies", sa.Column("archived", sa.String()))
