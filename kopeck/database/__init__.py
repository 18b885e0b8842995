"""How PostgreSQL is used: leases, locks, SQL of our own, and no connection held while something slow runs.

Owns: No table. The models of the other rooms stand on it.
"""
