"""The only Dagster code: assets, checks, IO managers, resources, partitions, jobs and schedules."""
