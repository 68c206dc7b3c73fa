"""Where tables and files live: the lake, the warehouse and the reports store."""
