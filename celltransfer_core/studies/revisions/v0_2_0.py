"""Additions of 0.2.0: channels, properties of files, owners of jobs, reserved cells, erasures.

Some workspaces made between the releases have part of this already; it is left unchanged.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0.2.0"
down_revision = "0.1.0"


def upgrade() -> None:
    """Add the missing columns and tables."""
    found = sa.inspect(op.get_bind())
    for table, columns in {
        "sets": (
            sa.Column("channels", sa.String()),
            sa.Column("table_facts", sa.JSON()),
            sa.Column("types_at", sa.String()),
            sa.Column("unusable", sa.String()),
        ),
        "files": (
            sa.Column("numbers", sa.String()),
            sa.Column("reach", sa.Double()),
            sa.Column("channels", sa.Integer()),
            sa.Column("note", sa.String()),
            sa.Column("look", sa.LargeBinary()),
        ),
        "jobs": (
            sa.Column("owner", sa.String()),
            sa.Column("timetable", sa.JSON()),
        ),
    }.items():
        there = {column["name"] for column in found.get_columns(table)}
        for column in columns:
            if column.name not in there:
                op.add_column(table, column)
    op.create_table(
        "desks",
        sa.Column("study", sa.String(), nullable=False),
        sa.Column("reader", sa.String(), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("study", "reader"),
        sa.ForeignKeyConstraint(["study"], ["studies.id"]),
        if_not_exists=True,
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("studies", sa.Integer(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
