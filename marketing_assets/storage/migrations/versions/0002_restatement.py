"""What days said before they were materialized anew."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the record of restatements."""
    op.create_table(
        "mart_restatement",
        sa.Column("date", sa.Date, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("column_name", sa.Text, primary_key=True),
        sa.Column("old_value", sa.Numeric(18, 2)),
        sa.Column("new_value", sa.Numeric(18, 2)),
        sa.Column("changed_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
        comment="One row per day, channel and figure of mart_channel_merged, and time at which the figure changed.",
    )


def downgrade() -> None:
    """Drop the record; unlike the other marts it cannot be made again."""
    op.drop_table("mart_restatement")
