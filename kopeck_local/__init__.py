"""`make run`: the shop, the sandbox and an embedded PostgreSQL on one machine.

Owns: DATA_DIR with its secrets and logs. It may call `kopeck`; the shop never calls it.
"""
