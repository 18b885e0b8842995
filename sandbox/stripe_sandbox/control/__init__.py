"""What Stripe does not have: `/_sandbox/`, the dashboard, and what happens as time goes by."""
