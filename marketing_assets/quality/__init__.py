"""What may pass: the suites of expectations, how they are run, and what becomes of rows that cannot be used."""
