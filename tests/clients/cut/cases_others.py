"""Mail, files, directories, sockets of the web."""

from tests.clients.cut.cases import LONG, Case, case


@case
class Smtplib(Case):
    name = "smtplib"
    needs = ("smtplib",)
    server = "smtp"
    causes = ("SMTPServerDisconnected",)

    def open(self, port):
        return self.module().SMTP("127.0.0.1", port, local_hostname="here")

    def call(self, client):
        client.ehlo_or_helo_if_needed()
        return client.noop()[0] == 250

    def mended(self, client, port):
        client.connect("127.0.0.1", port)
        return client


@case
class Imaplib(Case):
    name = "imaplib"
    needs = ("imaplib",)
    server = "imap"
    causes = ("abort",)

    def open(self, port):
        return self.module().IMAP4("127.0.0.1", port)

    def call(self, client):
        return client.noop()[0] == "OK"

    def close(self, client):
        client.shutdown()


@case
class Ftplib(Case):
    name = "ftplib"
    needs = ("ftplib",)
    server = "ftp"
    causes = ("EOFError",)

    def open(self, port):
        client = self.module().FTP()
        client.connect("127.0.0.1", port)
        client.login()
        return client

    def call(self, client):
        return client.pwd() == "/here"

    def mended(self, client, port):
        client.connect("127.0.0.1", port)
        client.login()
        return client


@case
class Ldap3(Case):
    name = "ldap3"
    lazy = True
    needs = ("ldap3",)
    server = "ldap"
    causes = ("LDAPSessionTerminatedByServerError", "LDAPSocketReceiveError", "LDAPSocketOpenError")

    def open(self, port):
        server = self.module().Server("127.0.0.1", port, get_info=self.module().NONE)
        return self.module().Connection(server, raise_exceptions=True)

    def call(self, client):
        if not client.bound:
            client.bind()
        client.search("o=shop", "(cn=*)")
        return client.result["description"] == "success"

    def close(self, client):
        client.unbind()


@case
class WebsocketClient(Case):
    name = "websocket-client"
    needs = ("websocket",)
    server = "websocket"
    causes = ("WebSocketConnectionClosedException", "WebSocketBadStatusException")

    def open(self, port):
        return self.module().create_connection(f"ws://127.0.0.1:{port}/")

    def call(self, client):
        client.send(LONG)
        return client.recv() == LONG
