import click
import psycopg
from flask import current_app, g
from flask.cli import with_appcontext
from psycopg.rows import dict_row

def get_database():
    """The connection of this request, opened by the first who asks."""
    if "database" not in g:
        g.database = psycopg.connect(current_app.config["DATABASE_URL"], row_factory=dict_row)
    return g.database


def close_database(error=None):
    database = g.pop("database", None)

    if database is not None:
        database.close()


def create_tables():
    database = get_database()
    database.execute(
        "CREATE TABLE IF NOT EXISTS accounts (id serial PRIMARY KEY,"
        " name text UNIQUE NOT NULL, password text NOT NULL)"
    )
    database.execute(
        "CREATE TABLE IF NOT EXISTS entries (id serial PRIMARY KEY,"
        " author_id int NOT NULL REFERENCES accounts (id),"
        " title text NOT NULL, body text NOT NULL, likes int NOT NULL DEFAULT 0)"
    )
    database.commit()


@click.command("create-tables")
@with_appcontext
@click.option("--quiet", is_flag=True)
def create_tables_command(quiet):
    """Create the tables that are missing."""
    create_tables()
    if not quiet:
        click.echo("the tables are there")


def init_app(app):
    app.teardown_appcontext(close_database)
    app.cli.add_command(create_tables_command)

    @app.cli.command("count")
    @click.argument("what", default="entries")
    def count(what):
        row = get_database().execute("SELECT count(*) AS n FROM entries").fetchone()
        click.echo(f"{row['n']} {what}")
