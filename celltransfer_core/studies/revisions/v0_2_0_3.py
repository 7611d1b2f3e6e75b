"""The table of watched folders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0.2.0.3"
down_revision = "0.2.0.2"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "watches",
        sa.Column("study", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.Column("owner", sa.String()),
        sa.Column("beat", sa.Integer(), nullable=False),
        sa.Column("checked", sa.String()),
        sa.Column("added", sa.JSON()),
        sa.Column("arrived", sa.String()),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("taken", sa.JSON()),
        sa.PrimaryKeyConstraint("study"),
        sa.ForeignKeyConstraint(["study"], ["studies.id"]),
    )
