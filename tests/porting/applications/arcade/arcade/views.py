from functools import wraps

from flask import abort, g, jsonify, request
from flask.views import MethodView, View
from rethinkdb import r

from arcade import app

MATCHES = r.table("matches")


def json_only(view):
    """Refuse bodies that are not JSON."""

    @wraps(view)
    def checked(*args, **kwargs):
        if request.method in ("POST", "PUT") and not request.is_json:
            return jsonify(error="send JSON"), 415
        return view(*args, **kwargs)

    return checked


def counted(view):
    """Count the requests of each endpoint."""

    @wraps(view)
    def counting(*args, **kwargs):
        pipe = g.scores.pipeline()
        pipe.hincrby("requests", request.endpoint, 1)
        pipe.expire("requests", 60)
        pipe.execute()
        return view(*args, **kwargs)

    return counting


class Api(MethodView):
    decorators = [counted, json_only]

    def payload(self):
        return request.get_json()


class MatchList(Api):
    def get(self):
        matches = MATCHES.order_by("number").run(g.get_conn())
        return jsonify([self.shown(match) for match in matches])

    def post(self):
        given = self.payload()
        done = MATCHES.insert(
            {"number": given["number"], "players": given["players"], "winner": None}
        ).run(g.get_conn())
        return {"id": done["generated_keys"][0]}, 201

    @staticmethod
    def shown(match):
        return {"number": match["number"], "winner": match["winner"]}


class Match(Api):
    init_every_request = False

    def find(self, match_id):
        match = MATCHES.get(match_id).run(g.get_conn())
        if match is None:
            abort(404)
        return match

    def get(self, match_id):
        return self.find(match_id)

    def put(self, match_id):
        match = self.find(match_id)
        winner = self.payload()["winner"]
        if winner not in match["players"]:
            return {"error": f"{winner} does not play"}, 400
        with g.scores.lock("arcade:lock", timeout=5):
            MATCHES.get(match_id).update({"winner": winner}).run(g.get_conn())
            g.scores.zincrby("arcade:scores", 3, winner)
        return {"winner": winner}

    def delete(self, match_id):
        self.find(match_id)
        MATCHES.get(match_id).delete().run(g.get_conn())
        return "", 204


class Scores(View):
    methods = ["GET"]
    decorators = [counted]

    def __init__(self, size):
        self.size = size

    def dispatch_request(self):
        found = g.scores.zrevrange("arcade:scores", 0, self.size - 1, withscores=True)
        return jsonify([{"player": player, "points": int(points)} for player, points in found])


class Wins(View):
    def dispatch_request(self, player):
        cursor = MATCHES.filter({"winner": player}).run(g.get_conn())
        numbers = []
        for match in cursor:
            numbers.append(match["number"])
        every = list(MATCHES.pluck("number").run(g.get_conn()))
        return {"player": player, "numbers": sorted(numbers), "of": len(every)}


@app.get("/requests")
def requests():
    keys = sorted(key for key in g.scores.scan_iter("requests*"))
    return {"keys": keys, "requests": {k: int(v) for k, v in g.scores.hgetall("requests").items()}}


app.add_url_rule("/matches", view_func=MatchList.as_view("matches"))
app.add_url_rule("/matches/<match_id>", view_func=Match.as_view("match"))
app.add_url_rule("/scores", view_func=Scores.as_view("scores", size=2))
app.add_url_rule("/wins/<player>", view_func=Wins.as_view("wins"))
