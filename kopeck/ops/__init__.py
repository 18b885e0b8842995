"""What keeps the shop running: health, `/metrics`, the doctor, the worker, the start of containers.

Owns: No table.
The highest room: it may look into every other.
"""
