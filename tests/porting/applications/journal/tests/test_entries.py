from flask import url_for

from journal.database import get_database


def write(client, title="First"):
    return client.post("/new", data={"title": title, "body": "text"})


def test_index(client, person):
    assert client.get("/").status_code == 200
    person.login()
    assert write(client).headers["Location"] == "/"
    page = client.get("/").text
    assert "FIRST" in page
    assert "ada: text" in page
    assert "entries accounts" in page


def test_a_login_is_needed(client):
    assert write(client).headers["Location"] == "/accounts/login"


def test_a_title_is_needed(client, person):
    person.login()
    response = write(client, "")
    assert (response.status_code, response.data) == (400, b"<p>A title is needed.</p>")


def test_show_edit_and_like(client, person, app):
    person.login()
    write(client)
    assert client.post("/1/like").get_json()["likes"] == 1
    assert client.post("/1/like").get_json() == {"likes": 2}
    response = client.get("/1")
    assert "text (2)" in response.get_data(as_text=True)
    assert response.headers["Cache-Control"] == "no-store"
    client.post("/1/edit", data={"title": "Second", "body": "more"})
    with app.app_context():
        row = get_database().execute("SELECT title, likes FROM entries").fetchone()
        assert (row["title"], row["likes"]) == ("Second", 0)
    assert client.get("/titles.json").json == {"titles": ["Second"]}


def test_what_is_not_there(client, person):
    person.login()
    for response in [client.get("/7"), client.post("/7/like"), client.post("/7/edit")]:
        assert response.status_code == 404
        assert b"no such page" in response.data


def test_somebody_elses(client, person):
    person.login()
    write(client)
    client.post("/accounts/register", data={"name": "eve", "password": "x"})
    client.post("/accounts/login", data={"name": "eve", "password": "x"})
    assert client.post("/1/edit", data={"title": "x", "body": "x"}).status_code == 403


def test_urls(app):
    with app.test_request_context("/?page=2", method="GET"):
        from flask import request

        assert url_for("entries.index") == "/"
        assert request.args["page"] == "2"


def test_commands(app, client, person):
    runner = app.test_cli_runner()
    assert runner.invoke(args=["create-tables"]).output == "the tables are there\n"
    person.login()
    write(client)
    result = runner.invoke(args=["count"])
    assert result.output == "1 entries\n", result.exception
