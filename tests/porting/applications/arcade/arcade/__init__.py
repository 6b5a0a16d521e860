"""Matches and high scores of an arcade, with class-based views."""

from flask import Flask, g, jsonify
from redis import Redis

from arcade.database import init_app_database

app = Flask(__name__)
app.config.from_object("arcade.config")

init_app_database(app)


@app.before_request
def open_scores():
    g.scores = Redis.from_url(app.config["REDIS_URL"], decode_responses=True)


@app.after_request
def close_scores(response):
    g.scores.close()
    return response


@app.errorhandler(404)
@app.errorhandler(405)
def not_found(error):
    return jsonify(error=error.name), error.code


from arcade import views  # noqa: E402, F401
