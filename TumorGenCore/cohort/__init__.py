"""Many scans from a table: what to make, and making it."""
