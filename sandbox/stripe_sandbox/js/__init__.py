"""What a shop's own page shows: Stripe.js, the Payment Element, a PaymentIntent's 3-D Secure step."""
