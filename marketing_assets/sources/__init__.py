"""Reading the outside world: the ads API, the CRM and the sales CSVs. Nothing here judges or changes a row."""
