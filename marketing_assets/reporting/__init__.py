"""Figures in, documents out: pure renderers."""
