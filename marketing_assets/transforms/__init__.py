"""Tables in, tables out: pure functions, written with Narwhals so that they run on Polars and on PySpark."""
