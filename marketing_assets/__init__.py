"""A self-hosted marketing data platform on Dagster."""
