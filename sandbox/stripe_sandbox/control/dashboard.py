"""The sandbox's page at `/`: a frame for static/dashboard.js, which works on the JSON of `/_sandbox/`."""

from flask import Blueprint, Flask

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.pages.frame import guard, page


def register(app: Flask, box: Box) -> None:
    """Put the dashboard on `app` (its files and templates come with `pages`)."""
    dashboard = Blueprint("dashboard", __name__)
    dashboard.add_url_rule("/", "show", lambda: page("dashboard.html", 200), methods=["GET"])
    dashboard.after_request(guard)
    app.register_blueprint(dashboard)
