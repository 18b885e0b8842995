"""Logs, metrics and traces, and what must never stand in them.

Owns: Nothing is stored.
Every room may use it; it knows none of them.
"""

from kopeck.configuration.env import made_folder

#: Where processes of one container share their counts. prometheus_client reads the variable as it is imported
#: and fails at the first count where there is no such folder: it is made before a module here imports that.
SHARED = made_folder("PROMETHEUS_MULTIPROC_DIR")
