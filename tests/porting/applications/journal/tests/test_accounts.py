import pytest
from flask import g, session


def test_register(client):
    assert client.get("/accounts/register").status_code == 200
    response = client.post("/accounts/register", data={"name": "bob", "password": "x"})
    assert response.status_code == 302
    assert response.headers["Location"] == "/accounts/login"


@pytest.mark.parametrize(
    "name, password, message",
    [("", "x", b"A name is needed."), ("x", "", b"A password"), ("ada", "x", b"ada is taken.")],
)
def test_register_says_what_is_wrong(client, person, name, password, message):
    response = client.post("/accounts/register", data={"name": name, "password": password})
    assert message in response.data


def test_login(client, person):
    with client:
        response = person.login()
        assert "Hello, ada" in response.get_data(as_text=True)
        assert session["account_id"] == 1
        assert g.account["name"] == "ada"
    assert client.get("/accounts/me").get_json() == {"id": 1, "name": "ada"}


def test_a_wrong_password(client, person):
    assert b"That is not right." in person.login("wrong").data
    assert client.get("/accounts/me").headers["Location"].endswith("/accounts/login")


def test_logout(client, person):
    person.login()
    with client:
        client.get("/accounts/logout")
        assert "account_id" not in session


def test_a_session_made_up(client, person):
    with client.session_transaction() as made_up:
        made_up["account_id"] = 1
    assert client.get("/accounts/me").json["name"] == "ada"
