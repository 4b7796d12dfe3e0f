"""A Datasette plugin: this project's pages in front of Datasette's own, and headers for all of them."""

import asyncio
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from datasette import NotFound, Request, Response, hookimpl  # type: ignore[import-untyped]
from datasette.app import Datasette  # type: ignore[import-untyped]
from datasette.database import Database, QueryInterrupted  # type: ignore[import-untyped]
from datasette.utils.asgi import Base400  # type: ignore[import-untyped]
from datasette.views.base import DatasetteError  # type: ignore[import-untyped]
from markupsafe import Markup

from rfinews.browse.differences import compare
from rfinews.browse.queries import (
    FACETS,
    PAGE_SIZE,
    Selection,
    count_articles,
    known_ids,
    list_articles,
    list_facets,
    revisions_of,
)
from rfinews.markup import sanitize

HERE = Path(__file__).parent
#: The database's name in addresses: ``/rfi/articles.json``.
NAME = "rfi"

#: Nothing runs, and nothing comes from elsewhere but what an article shows.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src http: https:; media-src http: https:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_LOCAL = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)
_SCRIPTS_TO_THE_LEFT = ("ar", "fa", "he", "ur")
_DIGITS = re.compile("[0-9]{1,9}", re.ASCII)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)


@hookimpl  # type: ignore[untyped-decorator]
def register_routes() -> list[tuple[str, Any]]:
    return [
        (r"/$", list_page),
        (r"/article/(?P<id>[0-9a-f]{32})$", article_page),
        (r"/article/(?P<id>[0-9a-f]{32})/compare$", compare_page),
    ]


@hookimpl  # type: ignore[untyped-decorator]
def prepare_jinja2_environment(env: Any) -> None:
    """Give the templates what they all need, the error page too, which Datasette tells nothing."""
    env.filters["minute"] = minute
    env.filters["web"] = web
    env.filters["duration"] = duration
    env.filters["direction"] = direction
    env.filters["url_for_people"] = lambda url: unquote(url, errors="replace")
    style = (HERE / "static" / "browse.css").read_bytes()
    env.globals["style"] = f"/-/browse/browse.css?{sha256(style).hexdigest()[:8]}"


@hookimpl  # type: ignore[untyped-decorator]
def asgi_wrapper() -> Callable[[App], App]:
    return with_headers


def with_headers(app: App) -> App:
    """Send `HEADERS` with every answer, and answer to this machine's names only.

    A page elsewhere whose name is made to lead to 127.0.0.1 could otherwise read the database.
    """
    ours = dict(HEADERS)

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                others = [
                    each for each in message.get("headers", ()) if each[0].lower() not in ours
                ]
                message = {**message, "headers": [*others, *HEADERS]}
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"")
        if _LOCAL.fullmatch(host):
            await app(scope, receive, send_with_headers)
        else:
            refusal = Response.text("This is not a name of this server.\n", status=421)
            await refusal.asgi_send(send_with_headers)

    return wrapped


@hookimpl  # type: ignore[untyped-decorator]
def handle_exception(datasette: Datasette, request: Request, exception: Exception) -> Any:
    """Answer with a page instead of Datasette's, and log what is a fault in a line, not a traceback."""

    async def answer() -> Response:
        status, message = 500, "The database cannot be read."
        if isinstance(exception, Base400 | DatasetteError):
            status = exception.status
            message = str(exception.args[0] if exception.args else "") or str(exception)
            if isinstance(exception, DatasetteError):
                message = exception.message
        elif isinstance(exception, QueryInterrupted):
            status, message = 503, "The search took too long."
        elif isinstance(exception, sqlite3.Error):
            logger.error("%s: %s", request.path, exception)
        else:
            message = "The page cannot be made."
            logger.error("%s", request.path, exc_info=exception)
        if request.path.endswith(".json"):
            return Response.json({"ok": False, "error": message, "status": status}, status=status)
        if status == 404:
            message = "There is no such page."
        context = {"status": status, "message": message}
        page = await datasette.render_template("error.html", context, request=request)
        return Response.html(page, status=status)

    return answer


async def list_page(datasette: Datasette, request: Request) -> Response:
    await _check_access(datasette, request)
    db = datasette.get_database(NAME)
    selection = read_selection(request.args)
    count = await count_articles(db, selection)
    last = max(1, -(-count // PAGE_SIZE))
    page = min(selection.page, last)
    selection = Selection(selection.query, selection.facets, page)
    return await _page(
        datasette,
        request,
        "articles.html",
        selection=selection,
        count=count,
        last=last,
        articles=await list_articles(db, selection),
        facets=await list_facets(db, selection),
    )


async def article_page(datasette: Datasette, request: Request) -> Response:
    """One revision, the latest unless ``?revision=`` names another; of a retracted article, that it is."""
    await _check_access(datasette, request)
    db = datasette.get_database(NAME)
    revisions = await _revisions(db, request)
    article = _chosen(revisions, request.args.get("revision"), revisions[-1])
    last_content = next((each for each in reversed(revisions) if each["headline"]), None)
    images = [each for each in article["images"] if each["url"] not in article["article_body_html"]]
    return await _page(
        datasette,
        request,
        "article.html",
        article=article,
        headline=article["headline"] or (last_content or article)["headline"],
        body=Markup(sanitize(article["article_body_html"])),  # noqa: S704 - by the sanitiser's hand
        images=images,
        revisions=revisions,
        last_content=last_content,
        translations=await known_ids(db, [each["url"] for each in article["alternates"]]),
    )


async def compare_page(datasette: Datasette, request: Request) -> Response:
    """Two revisions side by side: those that ``from`` and ``to`` name, else the last two."""
    await _check_access(datasette, request)
    revisions = await _revisions(datasette.get_database(NAME), request)
    old = _chosen(revisions, request.args.get("from"), revisions[-2:][0])
    new = _chosen(revisions, request.args.get("to"), revisions[-1])
    headlines = [each["headline"] for each in (new, old, *reversed(revisions)) if each["headline"]]
    return await _page(
        datasette,
        request,
        "compare.html",
        revisions=revisions,
        old=old,
        new=new,
        headline=headlines[0] if headlines else "",
        changes=await asyncio.to_thread(compare, old, new),
    )


async def _check_access(datasette: Datasette, request: Request) -> None:
    await datasette.ensure_permissions(request.actor, [("view-database", NAME), "view-instance"])


async def _page(datasette: Datasette, request: Request, template: str, **context: Any) -> Response:
    page = await datasette.render_template(template, context, request=request)
    return Response.html(page, headers={"cache-control": "no-cache"})


async def _revisions(db: Database, request: Request) -> list[dict[str, Any]]:
    revisions = await revisions_of(db, request.url_vars["id"])
    if not revisions:
        raise NotFound("no such article")
    return revisions


def _chosen(
    revisions: list[dict[str, Any]], number: str | None, otherwise: dict[str, Any]
) -> dict[str, Any]:
    if number is None:
        return otherwise
    for each in revisions:
        if str(each["revision"]) == number:
            return each
    raise NotFound("no such revision")


def read_selection(args: Mapping[str, str]) -> Selection:
    """Read the list's parameters; what cannot be understood is as if it were not there."""
    page = args.get("page") or "1"
    return Selection(
        query=(args.get("q") or "")[:500],
        facets={name: value for name in FACETS if (value := args.get(name))},
        page=max(1, int(page)) if _DIGITS.fullmatch(page) else 1,
    )


def web(url: str) -> str:
    """Return an address that may stand in a link: none that would run as a script.

    >>> web("https://www.rfi.fr/"), web("javascript:alert(1)")
    ('https://www.rfi.fr/', '')
    """
    return url if url.lower().startswith(("http://", "https://")) else ""


def minute(date: str | None) -> str:
    """Return a date for people.

    >>> minute("2023-11-07T11:35:00Z")
    '2023-11-07 11:35 UTC'
    """
    return f"{datetime.fromisoformat(date):%Y-%m-%d %H:%M} UTC" if date else ""


def duration(seconds: int | None) -> str:
    """Return a duration for people.

    >>> duration(200), duration(3723)
    ('3:20', '1:02:03')
    """
    if not seconds:
        return ""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def direction(language: str) -> str:
    """Return how a language is written. ``dir=auto`` errs where a text begins with a foreign name.

    >>> direction("fa"), direction("zh-Hans")
    ('rtl', 'ltr')
    """
    return "rtl" if language.partition("-")[0] in _SCRIPTS_TO_THE_LEFT else "ltr"
