"""The command `stripe-sandbox`: serve, seed, trigger, send again. A running sandbox is asked by HTTP."""
