"""`make run`: the shop, the sandbox and an embedded PostgreSQL on one machine.

Owns: DATA_DIR with its secrets and logs. It may call `kopeck`; the shop never calls it. `__main__` starts
the shop step by step, `programs` watches and stops what was started, `place` has ports, folders and
secrets, `postgres` the embedded server, `child` a child that ends with its parent.
"""
