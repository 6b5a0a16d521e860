from flask import Blueprint, abort, g, make_response, redirect, render_template, request, url_for

from .accounts import login_required
from .database import get_database

bp = Blueprint("entries", __name__)


def find(entry_id, own=True):
    """The entry, if it is there and, unless told otherwise, of whoever is logged in."""
    cursor = get_database().cursor()
    cursor.execute(
        "SELECT entries.*, accounts.name AS author FROM entries"
        " JOIN accounts ON accounts.id = author_id WHERE entries.id = %(id)s",
        {"id": entry_id},
    )
    entry = cursor.fetchone()
    if entry is None:
        abort(404)
    if own and entry["author_id"] != g.account["id"]:
        abort(403)
    return entry


@bp.route("/")
def index():
    with get_database().cursor() as cursor:
        cursor.execute(
            "SELECT entries.id, title, body, likes, name AS author FROM entries"
            " JOIN accounts ON accounts.id = author_id ORDER BY entries.id DESC"
        )
        found = cursor.fetchall()
    return render_template("index.html", entries=found)


@bp.route("/new", methods=["GET", "POST"])
@login_required
def new():
    if request.method == "POST":
        if not request.form["title"]:
            return render_template("error.html", text="A title is needed."), 400
        database = get_database()
        database.execute(
            "INSERT INTO entries (title, body, author_id) VALUES (%s, %s, %s)",
            (request.form["title"], request.form["body"], g.account["id"]),
        )
        database.commit()
        return redirect(url_for("entries.index"))
    return render_template("form.html", title="New entry")


@bp.route("/<int:entry_id>")
def show(entry_id):
    response = make_response(render_template("entry.html", entry=find(entry_id, own=False)))
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.route("/<int:entry_id>/edit", methods=["POST"])
@login_required
def edit(entry_id):
    find(entry_id)
    database = get_database()
    database.execute(
        "UPDATE entries SET title = %s, body = %s WHERE id = %s",
        (request.form["title"], request.form["body"], entry_id),
    )
    database.execute("UPDATE entries SET likes = 0 WHERE id = %s", (entry_id,))
    database.commit()
    return redirect(url_for("entries.show", entry_id=entry_id))


@bp.route("/<int:entry_id>/like", methods=["POST"])
def like(entry_id):
    database = get_database()
    row = database.execute(
        "UPDATE entries SET likes = likes + 1 WHERE id = %s RETURNING likes", (entry_id,)
    ).fetchone()
    database.commit()
    if row is None:
        abort(404)
    return {"likes": row["likes"]}


@bp.route("/titles.json")
def titles():
    rows = get_database().execute("SELECT title FROM entries WHERE title LIKE '%' ORDER BY title")
    return {"titles": [row["title"] for row in rows.fetchall()]}
