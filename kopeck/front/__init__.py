"""What stands in front of Django: whole bodies, a bound for the crowd, one charset, pages kept ready.

Owns: No model and no address. `kopeck/wsgi.py` puts its parts together, the outermost last.
What it refuses it only marks in the request; `web/errors.py` words the answers.
"""
