"""Card testing and greed: how often a visitor or an address may start something, and what their cards did.

Owns: `Budget`, `Decline`, `Attack`, and the rates of the settings.
Plain values are counted here (an order number, a visitor, a hashed address). Who a decline belongs to at
Stripe is for `webhooks`; what a refused buyer is told is a ShopError 429.
"""
