import pytest


@pytest.fixture
def match(client):
    """Makes matches, and returns their paths."""

    def make(number, *players):
        response = client.post("/matches", json={"number": number, "players": players})
        assert response.status_code == 201
        return "/matches/" + response.get_json()["id"]

    return make


def test_matches(client, match):
    match(2, "ada", "bob")
    match(1, "ada", "eve")
    assert client.get("/matches").json == [
        {"number": 1, "winner": None},
        {"number": 2, "winner": None},
    ]


def test_a_match_is_won(client, match):
    path = match(1, "ada", "bob")
    assert client.get(path).json["players"] == ["ada", "bob"]
    assert client.put(path, json={"winner": "ada"}).json == {"winner": "ada"}
    assert client.get(path).json["winner"] == "ada"
    assert client.get("/wins/ada").json == {"player": "ada", "numbers": [1], "of": 1}
    assert client.get("/scores").json == [{"player": "ada", "points": 3}]


def test_only_the_best(client, match):
    for number, winner in enumerate(["ada", "bob", "ada", "eve", "bob", "ada"]):
        client.put(match(number, "ada", "bob", "eve"), json={"winner": winner})
    scores = client.get("/scores").get_json()
    assert [(score["player"], score["points"]) for score in scores] == [("ada", 9), ("bob", 6)]


def test_somebody_who_does_not_play(client, match):
    response = client.put(match(1, "ada"), json={"winner": "eve"})
    assert response.status_code == 400
    assert b"eve does not play" in response.data


def test_what_is_not_there(client, match):
    path = match(1, "ada")
    assert client.delete(path).status_code == 204
    responses = [client.get(path), client.delete(path), client.post("/wins/ada")]
    assert [response.status_code for response in responses] == [404, 404, 405]
    assert responses[0].json == {"error": "Not Found"}


def test_requests_are_counted(client):
    client.get("/matches")
    client.get("/matches")
    assert client.post("/matches", data="no JSON").status_code == 415
    assert client.get("/requests").json == {"keys": ["requests"], "requests": {"matches": 2}}
