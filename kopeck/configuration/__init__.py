"""How settings are read: texts of the environment, names of hosts, single values, the languages there are.

Owns: The sentences with which a setting that cannot work is refused. `kopeck/settings.py` has the settings.
"""
