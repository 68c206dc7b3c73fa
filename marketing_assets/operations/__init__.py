"""Running the platform for years: the command `marketing-assets`, and what is behind it.

What belongs here: looking at what the platform is connected to and at what Dagster has stored about its runs, and
keeping both in order. Nothing here makes a figure.
"""
