"""The hosted page of Checkout: how it looks, what its form says, the 3-D Secure step, its words."""
