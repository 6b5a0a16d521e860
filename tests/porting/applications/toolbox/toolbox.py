"""Forty small tools behind one JSON API, all in one module."""

import csv
import io
import json
import os
import re
import statistics
import tempfile
import time
import uuid
from functools import wraps

from flask import (
    Flask,
    Response,
    abort,
    after_this_request,
    current_app,
    g,
    jsonify,
    make_response,
    redirect,
    render_template_string,
    request,
    send_file,
    send_from_directory,
    stream_with_context,
    url_for,
)
from werkzeug.exceptions import HTTPException

app = Flask(__name__)
app.config["SECRET_KEY"] = "only for tests"
app.config["FILES"] = tempfile.mkdtemp()

NOTES = {}
KEYS = {"let-me-in": "ada"}


class Unfit(Exception):
    """A value that a tool cannot take."""

    def __init__(self, text, status=400):
        super().__init__(text)
        self.text = text
        self.status = status


@app.errorhandler(Unfit)
def unfit(error):
    return jsonify(error=error.text, at=request.path), error.status


@app.errorhandler(HTTPException)
def problem(error):
    response = error.get_response()
    response.data = json.dumps({"error": error.name})
    response.content_type = "application/json"
    return response


@app.before_request
def begin():
    g.began = time.monotonic()


@app.after_request
def finish(response):
    response.headers["X-Took"] = f"{time.monotonic() - g.began:.6f}"
    return response


def body(*names):
    """The JSON object of the request; it must have these names."""
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        raise Unfit("send a JSON object")
    missing = [name for name in names if name not in given]
    if missing:
        raise Unfit(f"missing: {', '.join(missing)}")
    return given


def requires_key(view):
    @wraps(view)
    def guarded(*args, **kwargs):
        g.user = KEYS.get(request.headers.get("X-Key"))
        if g.user is None:
            raise Unfit("a key is needed", 401)
        return view(*args, **kwargs)

    return guarded


def cached(seconds):
    """A decorator with an argument: the answer may be kept for so long."""

    def decorate(view):
        @wraps(view)
        def wrapper(*args, **kwargs):
            response = make_response(view(*args, **kwargs))
            response.headers["Cache-Control"] = f"max-age={seconds}"
            return response

        return wrapper

    return decorate


@app.post("/upper")
def upper_():
    return {"result": body("text")["text"].upper()}


@app.post("/lower")
def lower_():
    return {"result": body("text")["text"].lower()}


@app.post("/title")
def title_():
    return {"result": body("text")["text"].title()}


@app.post("/reverse")
def reverse_():
    return {"result": body("text")["text"][::-1]}


@app.post("/words")
def words_():
    return {"result": body("text")["text"].split()}


@app.post("/lines")
def lines_():
    return {"result": body("text")["text"].splitlines()}


@app.post("/slug")
def slug_():
    return {"result": re.sub(r"[^a-z0-9]+", "-", body("text")["text"].lower()).strip("-")}


@app.post("/count")
def count_():
    return {"result": len(body("text")["text"])}


@app.post("/sum")
def sum_():
    return {"result": sum(body("numbers")["numbers"])}


@app.post("/mean")
def mean_():
    return {"result": statistics.mean(body("numbers")["numbers"])}


@app.post("/median")
def median_():
    return {"result": statistics.median(body("numbers")["numbers"])}


@app.post("/max")
def max_():
    return {"result": max(number for number in body("numbers")["numbers"])}


@app.post("/min")
def min_():
    return {"result": min(body("numbers")["numbers"])}


@app.post("/sorted")
def sorted_():
    return {"result": sorted(body("numbers")["numbers"])}


@app.post("/unique")
def unique_():
    return {"result": sorted(set(body("numbers")["numbers"]))}


@app.post("/keys")
def keys_():
    return jsonify(sorted(request.get_json()))


@app.post("/echo")
def echo_():
    return jsonify(request.json)


@app.post("/bytes")
def bytes_():
    return {"result": len(request.data)}


@app.post("/text")
def text_():
    return request.get_data(as_text=True)


@app.post("/form")
def form_():
    return jsonify(dict(request.form))


@app.post("/values")
def values_():
    return jsonify(name=request.values["name"])


@app.get("/")
def index():
    return jsonify(tools=sorted(rule.rule for rule in app.url_map.iter_rules()))


@app.get("/uuid")
def new_uuid():
    return {"uuid": str(uuid.uuid4())}


@app.get("/me")
@requires_key
def me():
    return {"user": g.user}


@app.get("/double/<int:number>")
@cached(60)
def double(number):
    return {"result": 2 * number}


@app.post("/scale")
@requires_key
@cached(5)
def scale():
    given = body("numbers", "by")
    return {"result": [number * given["by"] for number in given["numbers"]], "user": g.user}


@app.route("/notes", methods=["GET", "POST"])
def notes():
    if request.method == "GET":
        return jsonify([dict(id=key, **note) for key, note in sorted(NOTES.items())])
    note = {"text": body("text")["text"]}
    key = len(NOTES) + 1
    NOTES[key] = note
    return jsonify(id=key, **note), 201, {"Location": url_for("note", key=key)}


@app.route("/notes/<int:key>", methods=["GET", "PUT", "DELETE"])
def note(key):
    if key not in NOTES:
        abort(404)
    if request.method == "PUT":
        NOTES[key] = {"text": body("text")["text"]}
    elif request.method == "DELETE":
        del NOTES[key]
        return "", 204
    return NOTES[key]


@app.post("/greeting")
def greeting():
    return render_template_string("Hello, {{ name|e }}!", **body("name"))


@app.get("/old")
def old():
    return redirect(url_for("new_uuid"))


@app.get("/numbers")
def numbers():
    def generate():
        for number in range(int(request.args.get("to", 3))):
            yield f"{number}\n"

    return Response(stream_with_context(generate()), mimetype="text/plain")


@app.post("/stream")
def stream():
    @stream_with_context
    def generate():
        yield "["
        yield ", ".join(json.dumps(item) for item in request.json)
        yield "]"

    return Response(generate(), content_type="application/json")


def rows(names):
    """The lines of a CSV file."""
    yield ",".join(names) + "\n"
    for key, each in sorted(NOTES.items()):
        yield f"{key},{each['text']}\n"


@app.get("/notes.csv")
def notes_csv():
    return Response(rows(["id", "text"]), mimetype="text/csv")


@app.post("/table")
def table():
    parsed = list(csv.DictReader(io.StringIO(request.get_data(as_text=True))))
    return jsonify(parsed)


@app.post("/files")
def upload():
    file = request.files["file"]
    file.save(os.path.join(current_app.config["FILES"], file.filename))
    return {"name": file.filename, "note": request.form.get("note")}, 201


@app.get("/files/<name>")
def download(name):
    return send_from_directory(current_app.config["FILES"], name)


@app.get("/report")
def report():
    data = io.BytesIO(b"all is well\n")
    return send_file(data, mimetype="text/plain")


@app.get("/cookie")
def cookie():
    @after_this_request
    def remember(response):
        response.set_cookie("seen", "yes")
        return response

    return {"seen": request.cookies.get("seen", "no")}


@app.get("/length")
def length():
    response = make_response(render_template_string("{{ 6 * 7 }}"))
    response.headers["X-Length"] = str(len(response.get_data()))
    return response


@app.get("/fail")
def fail():
    raise Unfit("as you wish", 418)


OPERATIONS = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
}


@app.post("/calculate/<operation>")
def calculate(operation):
    if operation not in OPERATIONS:
        abort(404)
    given = body("a", "b")
    return {"result": OPERATIONS[operation](given["a"], given["b"])}


if __name__ == "__main__":
    app.run(debug=True)
