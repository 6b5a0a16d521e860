import os

import pytest
from redis import Redis

import arcade
from arcade.database import create_tables


@pytest.fixture(scope="session")
def app():
    arcade.app.testing = True
    return arcade.app


@pytest.fixture(autouse=True)
def databases(app):
    with app.app_context():
        create_tables()
    with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        redis.delete("requests", "arcade:scores")


@pytest.fixture
def client(app):
    with app.test_client() as client:
        yield client
