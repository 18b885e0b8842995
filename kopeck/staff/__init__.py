"""Who may enter the back office and do what: log-in, second factor, groups, history, and our admin site.

Owns: `Grant`, and the tables of django-axes and django-otp.
It knows nothing of what is sold.
"""
