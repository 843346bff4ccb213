"""Workloads W1 to W7 over HTTP, beside a floor of bare Flask and psycopg in the same run."""
