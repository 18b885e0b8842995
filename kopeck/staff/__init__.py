"""Who may enter the back office: log-in, lockout, second factor, and our admin site.

Owns: No tables of its own: those of django-axes and django-otp.
It knows nothing of what is sold.
"""
