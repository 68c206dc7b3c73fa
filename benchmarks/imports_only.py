"""The least that a daily run can cost: a process that imports Dagster and Great Expectations, and ends."""

import dagster  # noqa: F401
import great_expectations  # noqa: F401
