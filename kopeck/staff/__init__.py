"""Who may work behind the counter: wrong passwords are locked out, and a second factor is asked for."""
