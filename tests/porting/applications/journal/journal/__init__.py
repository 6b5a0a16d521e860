"""A shared journal: people log in and write entries."""

import os

from flask import Flask, render_template


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="only for tests",
        DATABASE_URL=os.environ.get("DATABASE_URL", "postgresql://localhost/journal"),
    )
    if config is not None:
        app.config.from_mapping(config)

    from . import database

    database.init_app(app)

    from . import accounts, entries

    app.register_blueprint(accounts.bp)
    app.register_blueprint(entries.bp)

    @app.errorhandler(404)
    def not_found(error):
        return render_template("error.html", text="There is no such page."), 404

    @app.context_processor
    def navigation():
        return {"sections": ["entries", "accounts"]}

    @app.template_filter("shout")
    def shout(text):
        return text.upper()

    return app
