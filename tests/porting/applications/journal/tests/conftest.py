import os

import pytest

from journal import create_app
from journal.database import create_tables, get_database


@pytest.fixture
def app():
    app = create_app({"TESTING": True, "DATABASE_URL": os.environ["DATABASE_URL"]})
    with app.app_context():
        create_tables()
        database = get_database()
        database.execute("TRUNCATE entries, accounts RESTART IDENTITY")
        database.commit()
    return app


@pytest.fixture
def client(app):
    return app.test_client()


class Person:
    def __init__(self, client, name="ada"):
        self._client = client
        self.name = name

    def register(self):
        return self._client.post(
            "/accounts/register", data={"name": self.name, "password": "secret"}
        )

    def login(self, password="secret"):
        form = dict(name=self.name, password=password)
        return self._client.post("/accounts/login", data=form, follow_redirects=True)


@pytest.fixture
def person(client):
    person = Person(client)
    person.register()
    return person
