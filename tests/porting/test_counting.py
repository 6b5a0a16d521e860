"""Which routes count as needing a hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.porting.porting import port
from service.porting.report import Routes

from .test_cases import project

TWO_VIEWS = """

@app.get("/")
def index():
    return "index"


@blueprint.get("/inner")
def inner():
    return "inner"


@nested.get("/innermost")
def innermost():
    return "innermost"


class Item(MethodView):
    def get(self):
        return "item"


app.add_url_rule("/item", view_func=Item.as_view("item"))
"""
APP = """from flask import Flask, request
from flask.views import MethodView

from blueprints import nested, parts
from blueprints import outer as blueprint

app = Flask(__name__)
"""
BLUEPRINTS = """from flask import Blueprint

outer = Blueprint("outer", __name__)
nested = Blueprint("nested", __name__)
parts = Blueprint("parts", __name__)
outer.register_blueprint(nested, url_prefix="/nested")
"""


def by_hand(folder: Path, files: dict[str, str]) -> int:
    """How many routes of a project need a hand."""
    return port(project(folder, files)).report.routes.by_hand


@pytest.mark.parametrize(
    ("hook", "routes"),
    [
        ("app.before_request", 4),
        ("app.after_request", 4),
        ("app.teardown_request", 4),
        ("blueprint.before_app_request", 4),
        ("blueprint.before_request", 2),
        ("nested.teardown_request", 1),
        ("parts.before_request", 0),
        ("app.errorhandler(404)", 0),
    ],
)
def test_routes_come_to_their_hooks(hook: str, routes: int, tmp_path: Path) -> None:
    hooked = f"\n\n@{hook}\ndef hook(*args):\n    who()\n"
    who = "\n\ndef who():\n    return request.remote_user\n"
    files = {"app.py": APP + who + hooked + TWO_VIEWS, "blueprints.py": BLUEPRINTS}
    assert by_hand(tmp_path, files) == routes


@pytest.mark.parametrize(
    ("registered", "template", "routes"),
    [
        ('globals["clock"] = Clock()', "{{ clock['now'] }}", 1),
        ('globals["clock"] = Clock()', "{{ now }}", 0),
        ('globals["stocks"] = connection', "{{ stocks.execute('SELECT 1') }}", 1),
        ("globals.update(stocks=connection)", "{{ stocks.execute('SELECT 1') }}", 1),
        ("globals.update(stocks=connection)", "{{ clock }}", 0),
        ('filters["loud"] = who', "{{ 'a' | loud }}", 1),
        ('filters["loud"] = lambda value: request.remote_user', "{{ 'a' | loud }}", 1),
        ('filters["loud"] = lambda value: request.remote_user', "{{ 'a' | upper }}", 0),
    ],
)
def test_routes_come_to_what_their_templates_use(
    registered: str, template: str, routes: int, tmp_path: Path
) -> None:
    source = f"""import time

import psycopg
from flask import Flask, render_template_string, request

app = Flask(__name__)
connection = psycopg.connect("dbname=shop")


class Clock:
    def __getitem__(self, name):
        time.sleep(1)


def who(value):
    return request.remote_user


app.jinja_env.{registered}


@app.get("/")
def index():
    return render_template_string("{template}")
"""
    assert by_hand(tmp_path, {"app.py": source}) == routes


@pytest.mark.parametrize("name", ["handle_user_exception", "preprocess_request"])
def test_routes_come_to_what_takes_the_place_of_a_method_of_the_app(
    name: str, tmp_path: Path
) -> None:
    replaced = f"""

def replace(app, *args):
    return "replaced"


app.{name} = partial(replace, app)
"""
    source = APP.replace(
        "from flask import Flask", "from functools import partial\n\nfrom flask import Flask"
    )
    files = {"app.py": source + replaced + TWO_VIEWS, "blueprints.py": BLUEPRINTS}
    assert by_hand(tmp_path, files) == 4


PROVIDER = """

class Provider(DefaultJSONProvider):
    def default(self, value):
        return encoded(value)


app.json = Provider(app)
"""
DEFAULT = """

def default(value):
    return encoded(value)


app.json.default = default
"""


@pytest.mark.parametrize("encoder", [PROVIDER, DEFAULT])
@pytest.mark.parametrize(
    ("answer", "routes"),
    [
        ("jsonify(Order())", 1),
        ("made()", 1),
        ('{"order": Order()}', 1),
        ('({"order": Order()}, 201)', 1),
        ("[Order()]", 1),
        ("app.json.response(Order())", 1),
        ('"text"', 0),
        ('("text", 201)', 0),
        ('render_template_string("text")', 0),
    ],
)
def test_routes_that_answer_in_json_come_to_its_encoder(
    encoder: str, answer: str, routes: int, tmp_path: Path
) -> None:
    source = f"""import time

from flask import Flask, jsonify, render_template_string
from flask.json.provider import DefaultJSONProvider

app = Flask(__name__)


class Order:
    pass


def encoded(value):
    time.sleep(1)
    return str(value)


def made():
    return jsonify(Order())
{encoder}

@app.get("/")
def index():
    return {answer}
"""
    assert by_hand(tmp_path, {"app.py": source}) == routes


@pytest.mark.parametrize(
    ("imported", "routes"),
    [
        ("from flask_sqlalchemy import SQLAlchemy", 4),
        ("import flask.debughelpers", 4),
        ("from flask.debughelpers import attach_enctype_error_multidict", 4),
        ("def load():\n    import flask.debughelpers", 0),
        ("try:\n    import flask_sqlalchemy\nexcept ImportError:\n    pass", 0),
    ],
)
def test_routes_are_not_there_without_what_their_module_imports(
    imported: str, routes: int, tmp_path: Path
) -> None:
    files = {"app.py": f"{imported}\n{APP}{TWO_VIEWS}", "blueprints.py": BLUEPRINTS}
    assert by_hand(tmp_path, files) == routes


def test_routes_that_ask_an_extension_through_another_module_need_a_hand(tmp_path: Path) -> None:
    files = {
        "models.py": """from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class User(db.Model):
    name = db.Column(db.String)
""",
        "app.py": """from flask import Flask

from models import User, db

app = Flask(__name__)


@app.get("/")
def index():
    return "text"


@app.get("/users")
def users():
    return [user.name for user in User.query.all()]


@app.post("/users")
def add():
    db.session.commit()
    return {}
""",
    }
    assert by_hand(tmp_path, files) == 2


RESTFUL = """from flask_restful import Resource


class Base(Resource):
    pass
"""
OF_EXTENSIONS = """from flask import Flask
from flask_restful import Api

from base import Base

app = Flask(__name__)
api = Api(app)


class Things(Base):
    def get(self):
        return found()

    def post(self):
        return found(), 201


def found():
    return {}


api.add_resource(Things, "/things", "/t")
"""
BY_DECORATORS = """from apiflask import APIBlueprint
from flask_classful import FlaskView, route
from flask_restx import Namespace, Resource

names = Namespace("names")
birds = APIBlueprint("birds", __name__)


@names.route("/")
class Names(Resource):
    @names.doc("list")
    def get(self):
        return []


class Dogs(FlaskView):
    def index(self):
        return found()

    @route("/lost")
    def lost(self):
        return found()

    def before_request(self, name):
        pass

    def _found(self):
        return ""


@birds.get("/birds")
def all_birds():
    return []


@birds.output({})
def found():
    return {}
"""


@pytest.mark.parametrize(
    ("files", "routes"),
    [
        ({"base.py": RESTFUL, "app.py": OF_EXTENSIONS}, 2),
        ({"app.py": BY_DECORATORS}, 4),
        ({"base.py": RESTFUL, "test_app.py": OF_EXTENSIONS}, 0),
    ],
)
def test_routes_of_extensions_need_a_hand(
    files: dict[str, str], routes: int, tmp_path: Path
) -> None:
    assert by_hand(tmp_path, files) == routes


SET_UP = """from flask import Flask, Request, current_app

from layers import Toolbar, layer, other, served


class OurRequest(Request):
    def http_version(self):
        return "1.1"

    def user(self):
        return self.remote_user


def changed():
    current_app.wsgi_app = other(current_app.wsgi_app)


def created(app):
    pass


def create():
    app = Flask(__name__)
    created(app)

    @app.get("/")
    def index():
        return "index"

    @app.get("/changed")
    def change():
        changed()
        return "changed"

    return app

"""
LAYERS = """from flask_debugtoolbar import DebugToolbarExtension as Toolbar
from waitress import serve as served


def layer(app):
    return app


def other(app):
    return app
"""


@pytest.mark.parametrize(
    ("line", "routes"),
    [
        ("app.wsgi_app = layer(app.wsgi_app)", 2),
        ("app.config['TRUSTED_HOSTS'] = ['example.org']", 2),
        ("app.config.update(TRUSTED_HOSTS=['example.org'])", 2),
        ("app.request_class = OurRequest", 2),
        ("Toolbar(app)", 2),
        ("app.ours = Toolbar()", 1),
        ("app.config['PREFERRED_URL_SCHEME'] = 'https'", 1),
        ("app.register_error_handler(404, lambda error: error.request.remote_user)", 1),
        ("app.name = layer('app')", 1),
        ("served(app)", 1),
        ("pass", 1),
    ],
)
def test_routes_come_to_what_is_done_to_their_app_while_it_is_set_up(
    line: str, routes: int, tmp_path: Path
) -> None:
    for number, source in enumerate(
        [
            SET_UP.replace("created(app)\n\n", f"created(app)\n    {line}\n\n"),
            SET_UP.replace("    pass\n", f"    {line}\n"),
            f"{SET_UP}\napp = create()\n{line}\n",
            f"{SET_UP}\napp = create()\n\ndef command():\n    def serve():\n        {line}\n"
            "        app.run()\n",
        ]
    ):
        files = {"app.py": source, "layers.py": LAYERS}
        assert by_hand(tmp_path / str(number), files) == routes


def test_routes_come_to_the_encoders_that_they_give_to_a_call(tmp_path: Path) -> None:
    source = """import json
import time

from flask import Flask

app = Flask(__name__)


class Encoder(json.JSONEncoder):
    def default(self, value):
        time.sleep(1)
        return str(value)


def encoded():
    return json.dumps([], cls=Encoder)


@app.get("/")
def index():
    return encoded()


@app.get("/text")
def text():
    return "text"
"""
    assert by_hand(tmp_path, {"app.py": source}) == 1


def test_what_a_decorator_puts_around_a_view_is_no_other_route(tmp_path: Path) -> None:
    app = """from functools import wraps

from flask import Flask

app = Flask(__name__)


def logged(view):
    ensured = app.ensure_sync(view)

    @wraps(view)
    def wrapper(*args, **kwargs):
        return ensured(*args, **kwargs)

    return wrapper


@app.get("/")
@logged
def index():
    return "index"
"""
    assert port(project(tmp_path, {"app.py": app})).report.routes == Routes(ported=1)


def test_what_templates_cannot_call_others_can(tmp_path: Path) -> None:
    app = """import time

from flask import Flask, render_template_string

app = Flask(__name__)


def slow():
    time.sleep(1)
    return "slow"


@app.get("/a")
def a():
    return slow()


@app.get("/b")
def b():
    return render_template_string("{{ f() }}", f=slow)
"""
    found = port(project(tmp_path, {"app.py": app})).report
    assert [str(line) for line in found.lines() if line.kind == "hand"] == [
        "app.py:8: hand: templates call slow on the event loop"
    ]
    assert found.routes == Routes(left_sync=1, by_hand=1)


ONE_OF_TWO_APPS = """from flask import Flask, request

from one.views import views
{importing}

app = Flask(__name__)
app.register_blueprint(views)
{setting}


@app.get("/")
def index():
    return "index"
"""
VIEWS_OF_ONE_APP = """from flask import Blueprint

views = Blueprint("views", __name__)


@views.get("/inner")
def inner():
    return "inner"
"""
NEEDING_A_HAND = [
    "app.config['TRUSTED_HOSTS'] = ['example.org']",
    "app.before_request(lambda: request.environ['wsgi.multithread'] and request.input_stream)",
]


@pytest.mark.parametrize("setting", NEEDING_A_HAND)
@pytest.mark.parametrize(("importing", "ported"), [("", 2), ("import two.app", 0)])
def test_what_is_done_to_one_of_two_apps_counts_for_its_routes(
    tmp_path: Path, setting: str, importing: str, ported: int
) -> None:
    of_the_other = ONE_OF_TWO_APPS.replace("one.views", "two.views")
    files = {
        "one/__init__.py": "",
        "one/app.py": ONE_OF_TWO_APPS.format(importing=importing, setting=setting),
        "one/views.py": VIEWS_OF_ONE_APP,
        "two/__init__.py": "",
        "two/app.py": of_the_other.format(importing="", setting=""),
        "two/views.py": VIEWS_OF_ONE_APP,
        "test_apps.py": "import one.app\nimport two.app\n\ndef test():\n    pass\n",
    }
    found = port(project(tmp_path, files)).report
    assert found.routes == Routes(ported=ported, by_hand=4 - ported)
    files["one/app.py"] = files["one/app.py"].replace(setting, "")
    assert port(project(tmp_path, files)).report.routes == Routes(ported=4)


def test_routes_of_no_app_that_is_seen_come_to_what_is_done_to_any(tmp_path: Path) -> None:
    loading = "import importlib\n\nfor name in ['views']:\n    importlib.import_module(name)\n"
    app = ONE_OF_TWO_APPS.replace("from one.views import views", loading)
    app = app.replace("app.register_blueprint(views)\n", "")
    files = {
        "app.py": app.format(importing="", setting=NEEDING_A_HAND[0]),
        "views.py": VIEWS_OF_ONE_APP,
    }
    assert port(project(tmp_path, files)).report.routes == Routes(by_hand=2)
