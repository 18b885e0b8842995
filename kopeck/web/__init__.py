"""What every request shares: the visitor, errors, headers, proxies, fields, the base of the admin.

Owns: The frame of all pages (`base.html`) and their styles.
It knows nothing of what is sold.
"""
