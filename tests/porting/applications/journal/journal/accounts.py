import functools

import psycopg
from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash, generate_password_hash

from .database import get_database

bp = Blueprint("accounts", __name__, url_prefix="/accounts")


def login_required(view):
    """Send to the login page who is not logged in."""

    @functools.wraps(view)
    def wrapped(*args, **kwargs):
        if g.account is None:
            return redirect(url_for("accounts.login"))
        return view(*args, **kwargs)

    return wrapped


@bp.before_app_request
def load_account():
    account_id = session.get("account_id")
    if account_id is None:
        g.account = None
    else:
        g.account = (
            get_database()
            .execute("SELECT id, name FROM accounts WHERE id = %s", (account_id,))
            .fetchone()
        )


@bp.route("/register", methods=("GET", "POST"))
def register():
    if request.method == "POST":
        name = request.form["name"]
        password = request.form["password"]
        problem = None
        if not name:
            problem = "A name is needed."
        elif not password:
            problem = "A password is needed."
        if problem is None:
            database = get_database()
            try:
                database.execute(
                    "INSERT INTO accounts (name, password) VALUES (%s, %s)",
                    (name, generate_password_hash(password, "pbkdf2:sha256:1000")),
                )
                database.commit()
            except psycopg.errors.UniqueViolation:
                database.rollback()
                problem = f"{name} is taken."
            else:
                return redirect(url_for("accounts.login"))
        flash(problem)
    return render_template("form.html", title="Register")


@bp.route("/login", methods=("GET", "POST"))
def login():
    if request.method == "POST":
        cursor = get_database().cursor()
        cursor.execute("SELECT * FROM accounts WHERE name = %s", (request.form["name"],))
        account = cursor.fetchone()
        cursor.close()
        if account is None or not check_password_hash(
            account["password"], request.form["password"]
        ):
            flash("That is not right.")
        else:
            session.clear()
            session["account_id"] = account["id"]
            return redirect(url_for("entries.index"))
    return render_template("form.html", title="Log in")


@bp.route("/logout")
def logout():
    session.clear()
    return redirect(url_for("entries.index"))


@bp.route("/me")
@login_required
def me():
    return {"id": g.account["id"], "name": g.account["name"]}
