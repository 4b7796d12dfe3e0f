"""Who is told of a crawl: a web server that keeps what is sent to it, and a mail server."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """A request with a body."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Web:
    """A web server."""

    url: str = ""
    status: int = 200
    location: str = ""
    is_slow: bool = False
    """Whether it answers a letter at a time and never comes to an end."""
    sent: list[Sent] = field(default_factory=list)
    end: threading.Event = field(default_factory=threading.Event)


@dataclass
class Post:
    """A mail server."""

    port: int = 0
    refuses: str = ""
    """Part of the addresses of receivers that it does not know."""
    password: str = ""
    """Base64 of what it wants for AUTH PLAIN; without it, it wants no login."""
    offers: tuple[str, ...] = ()
    mails: list[EmailMessage] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Every command."""


@contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def web_server() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            web.sent.append(Sent(self.command, self.path, headers, body))
            if web.is_slow:
                self.wfile.write(b"HTTP/1.0 200 O")
                while not web.end.wait(0.05):
                    self.wfile.write(b"o")
                return
            self.send_response(web.status)
            if web.location:
                self.send_header("Location", web.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST  # noqa: N815 - the server's way to find it

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # clients that hang up are what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_port}"
    with running(server):
        try:
            yield web
        finally:
            web.end.set()


@contextmanager
def mail_server(context: ssl.SSLContext | None = None, *, tls: bool = False) -> Iterator[Post]:
    """Serve SMTP; with `context` behind STARTTLS, or with `tls` from the first byte."""
    post = Post()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 mail.test")
            while line := self.rfile.readline().decode().strip():
                post.said.append(line)
                if not self.answer(line, *line.upper().split(" ")[:1]):
                    return

        def finish(self) -> None:
            super().finish()
            self.connection.close()  # the one behind STARTTLS

        def answer(self, line: str, verb: str) -> bool:
            if verb == "EHLO":
                offers = [*post.offers, *["AUTH PLAIN"] * bool(post.password)]
                lines = ["mail.test", *offers]
                self.say(
                    "\r\n".join(f"250-{each}" for each in lines[:-1])
                    + "\r\n" * (len(lines) > 1)
                    + f"250 {lines[-1]}"
                )
            elif verb == "STARTTLS":
                assert context is not None
                self.say("220 go ahead")
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)  # type: ignore[assignment]
            elif verb == "AUTH":
                is_right = line.rpartition(" ")[2] == post.password
                self.say("235 welcome" if is_right else "535 5.7.8 wrong password")
            elif verb == "RCPT":
                is_unknown = bool(post.refuses) and post.refuses in line
                if not is_unknown:
                    post.receivers.append(line.partition("<")[2].partition(">")[0])
                self.say("550 no such user" if is_unknown else "250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                lines: list[bytes] = []
                while (each := self.rfile.readline()) != b".\r\n":
                    lines.append(each.removeprefix(b".") if each.startswith(b"..") else each)
                mail = message_from_bytes(b"".join(lines), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                post.mails.append(mail)
                self.say("250 ok")
            else:
                self.say("221 bye" if verb == "QUIT" else "250 ok")
            return verb != "QUIT"

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def get_request(self) -> tuple[Any, Any]:
            connection, address = super().get_request()
            if tls:
                assert context is not None
                connection = context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            return connection, address

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    post.port = server.server_address[1]
    with running(server):
        yield post
