"""Clients of databases."""

from typing import ClassVar

from tests.clients.cut.cases import LONG, Case, case


class PostgresCase(Case):
    server = "postgres"
    causes = ("OperationalError", "InterfaceError")
    options: ClassVar = {"host": "127.0.0.1", "user": "postgres", "dbname": "postgres"}

    def open(self, port):
        return self.module().connect(port=port, **self.options)

    def call(self, client):
        with client.cursor() as cursor:
            cursor.execute("SELECT %s", (LONG,))
            return cursor.fetchone()[0] == LONG


@case
class Psycopg2(PostgresCase):
    name = "psycopg2"
    needs = ("psycopg2",)
    options: ClassVar = {**PostgresCase.options, "sslmode": "disable", "gssencmode": "disable"}


@case
class Psycopg(PostgresCase):
    name = "psycopg"
    needs = ("psycopg",)
    options: ClassVar = {**PostgresCase.options, "sslmode": "disable", "gssencmode": "disable"}

    def call(self, client):
        return client.execute("SELECT %s", (LONG,)).fetchone()[0] == LONG


@case
class PsycopgPool(PostgresCase):
    name = "psycopg_pool"
    needs = ("psycopg_pool",)
    connects = False

    def open(self, port):
        text = f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable"
        return self.module().ConnectionPool(text, min_size=1, max_size=2, open=True)

    def call(self, client):
        with client.connection() as connection:
            return connection.execute("SELECT %s", (LONG,)).fetchone()[0] == LONG


@case
class Pg8000(PostgresCase):
    name = "pg8000"
    needs = ("pg8000.dbapi",)
    options: ClassVar = {"host": "127.0.0.1", "user": "postgres", "database": "postgres"}

    def call(self, client):
        cursor = client.cursor()
        cursor.execute("SELECT %s", (LONG,))
        return cursor.fetchone()[0] == LONG


@case
class Sqlalchemy(PostgresCase):
    name = "SQLAlchemy with psycopg"
    lazy = True
    needs = ("sqlalchemy", "psycopg")
    url = "postgresql+psycopg://postgres@127.0.0.1:{}/postgres?sslmode=disable"

    def open(self, port):
        return self.module().create_engine(self.url.format(port))

    def call(self, client):
        with client.begin() as connection:
            asked = self.module().text("SELECT CAST(:long AS VARCHAR(200))")
            return connection.execute(asked, {"long": LONG}).scalar() == LONG

    def close(self, client):
        client.dispose()


@case
class SqlalchemyMysql(Sqlalchemy):
    name = "SQLAlchemy with PyMySQL"
    needs = ("sqlalchemy", "pymysql")
    server = "mariadb"
    url = "mysql+pymysql://root@127.0.0.1:{}/mysql"

    def call(self, client):
        with client.begin() as connection:
            asked = self.module().text("SELECT CAST(:long AS CHAR(200))")
            return connection.execute(asked, {"long": LONG}).scalar() == LONG


class MysqlCase(PostgresCase):
    server = "mariadb"
    options: ClassVar = {"host": "127.0.0.1", "user": "root"}


@case
class Pymysql(MysqlCase):
    name = "PyMySQL"
    needs = ("pymysql",)


@case
class Mysqlclient(MysqlCase):
    name = "mysqlclient"
    needs = ("MySQLdb",)


@case
class MysqlConnector(MysqlCase):
    name = "mysql-connector-python"
    needs = ("mysql.connector",)
    options: ClassVar = {
        **MysqlCase.options, "connection_timeout": None, "use_pure": True, "ssl_disabled": True,
    }  # fmt: skip

    def mended(self, client, port):
        client.reconnect()
        return client


@case
class Redis(Case):
    name = "redis-py"
    lazy = True
    needs = ("redis",)
    server = "redis"
    causes = ("ConnectionError",)

    def open(self, port):
        return self.module().Redis(
            host="127.0.0.1",
            port=port,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=None,
        )

    def call(self, client):
        return client.echo(LONG) == LONG.encode()


@case
class Pymongo(Case):
    name = "pymongo"
    needs = ("pymongo",)
    server = "mongo"
    causes = ("AutoReconnect",)
    connects = False
    options: ClassVar = {"retryReads": False}

    def open(self, port):
        return self.module().MongoClient("127.0.0.1", port, directConnection=True, **self.options)

    def call(self, client):
        return client.shop.prices.find_one()["tea"] == 3
