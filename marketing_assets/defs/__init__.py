"""The only Dagster code: assets, checks, IO managers, resources, partitions, jobs and schedules."""

import warnings

from dagster import BetaWarning, PreviewWarning

# Backfill policies and partitioned checks are young in Dagster; its series is pinned, and the tests prove them.
warnings.simplefilter("ignore", category=BetaWarning)
warnings.simplefilter("ignore", category=PreviewWarning)
