from flask import current_app, g
from rethinkdb import r
from rethinkdb.errors import ReqlOpFailedError


def _connect_to_database():
    """Establish and return a connection."""
    return r.connect(
        host=current_app.config["RDB_HOST"],
        port=current_app.config["RDB_PORT"],
        user=current_app.config["RDB_USER"],
        password=current_app.config["RDB_PASSWORD"],
        db=current_app.config["RDB_DB"],
    )


def get_db_conn():
    """Create, if need be, and return the connection in g._db_conn."""
    if "_db_conn" not in g:
        g._db_conn = _connect_to_database()

    return g._db_conn


def teardown_db(env):
    """Remove g._db_conn, if there is one, and close it."""
    conn = g.pop("_db_conn", None)

    if conn is not None:
        current_app.logger.info("Disconnecting from database.")
        conn.close()


def register_db_to_context():
    """Make the connection available as g.get_conn()."""
    g.get_conn = get_db_conn


def init_app_database(app):
    """Register the functions above."""
    app.teardown_appcontext(teardown_db)
    app.before_request(register_db_to_context)


def create_tables():
    """Create what is missing of the tables."""
    try:
        r.table_create("matches").run(get_db_conn())
    except ReqlOpFailedError:
        r.table("matches").delete().run(get_db_conn())
