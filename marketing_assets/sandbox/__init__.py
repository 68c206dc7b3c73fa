"""An embedded world to try the platform in: PostgreSQL, an ads API, a CRM and sales CSVs, all made up."""
