"""Makes synthetic scans from a table: reads the table and runs it."""
