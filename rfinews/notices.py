"""Notices to people and their machines: a JSON document posted to an address, and mail.

Standard library only, and blocking: `rfinews.watching` sends them from threads. What cannot be sent
raises `OSError`, in words for the log.
"""

import asyncio
import smtplib
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import orjson

from rfinews import __version__, dates
from rfinews.figures import Alarm, Figures
from rfinews.monitors import Judgement, as_note

_DAY = 24 * 3600


class Notice(NamedTuple):
    """What there is to tell."""

    subject: str
    text: str
    data: dict[str, Any]


def is_due(judged: Judgement, now: Figures, before: Sequence[Figures]) -> bool:
    """Whether there is news: something fails that did not, or is well again, or fails for one more day.

    The daily reminder is also for the day when the first notice could not be sent.
    """
    last = next((each for each in before if each.alarms is not None), None)
    failing = [*judged.failed, *judged.not_judged]
    known = (last.alarms if last is not None else None) or {}
    if judged.recovered or any(alarm.name not in known for alarm in judged.failed):
        return True
    return last is not None and any(
        (now.finished_at - alarm.since) // _DAY > (last.finished_at - alarm.since) // _DAY
        for alarm in failing
    )


def notice(judged: Judgement, now: Figures, host: str, manifest: str) -> Notice:
    """Write a notice for a person, and the same as data; `host` and `manifest` say where to look."""
    arguments = (f"-a {name}={value}" for name, value in now.arguments.items())
    crawl = " ".join(["scrapy crawl", now.spider, *arguments])
    failing = ", ".join(alarm.name for alarm in judged.failed)
    state = "failing" if judged.failed else "not judged" if judged.not_judged else "well"
    told = {"failing": f"failing: {failing}", "well": "well again"}.get(state, "better")
    blocks = [
        ("Failing", judged.failed, "since"),
        ("Failed before, nothing in this crawl to judge by", judged.not_judged, "since"),
        ("Well again", judged.recovered, "failed since"),
    ]
    outcomes = ", ".join(f"{count} {name}" for name, count in now.outcomes.items())
    lines = [f"{crawl}, on {host}", ""]
    for title, alarms, since in blocks:
        if alarms:
            lines += [f"{title}:", *(_line(alarm, since, now) for alarm in alarms), ""]
    lines += [
        f"Crawl: {now.crawl_id}",
        f"Ended: {dates.from_seconds(now.finished_at)}, {now.reason}",
        f"Addresses: {outcomes or 'none'}",
        f"Manifest: {manifest}",
    ]
    text = "\n".join(lines) + "\n"
    data = {
        "text": f"{crawl}, on {host}: {told}"
        + "".join(f"\n{alarm.name}: {alarm.message}" for alarm in judged.failed),
        "state": state,
        "spider": now.spider,
        "arguments": dict(now.arguments),
        "host": host,
        "crawl_id": now.crawl_id,
        "finished_at": dates.from_seconds(now.finished_at),
        "finish_reason": now.reason,
        "outcomes": dict(now.outcomes),
        "manifest": manifest,
        **judged.as_notes(),
        "recovered": [as_note(alarm) for alarm in judged.recovered],
    }
    return Notice(f"[rfinews] {now.spider}: {told}", text, data)


def _line(alarm: Alarm, since: str, now: Figures) -> str:
    when = "new" if alarm.since == now.finished_at else f"{since} {dates.from_seconds(alarm.since)}"
    return f"- {alarm.name} ({when}): {alarm.message}"


# -------------------------------------------------------------------------------------------- webhook


def check_http(address: str) -> str:
    """Return an http(s) address to send to. Raises `ValueError`, one line for the user.

    >>> check_http("https://example.org/hook?key=1")
    'https://example.org/hook?key=1'
    >>> check_http("example.org/hook")
    Traceback (most recent call last):
    ValueError: not an http(s) address
    """
    parts = urlsplit(address)
    is_plain = address.isascii() and address.isprintable() and " " not in address
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise ValueError("not an http(s) address")
    if "@" in parts.netloc:
        raise ValueError("a user and password in it would not be sent")
    _ = parts.port  # raises if it is none
    return address


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Lets a redirect be an answer: followed, it would be asked without what was to be posted."""

    def redirect_request(self, *_: object) -> None:
        return None


def post(address: str, data: dict[str, Any], timeout: float) -> None:
    """Post JSON; any answer from 200 to 299 is a success. Raises `OSError`."""
    request = urllib.request.Request(  # noqa: S310 - `check_http` was here
        address,
        data=orjson.dumps(data),
        headers={"Content-Type": "application/json", "User-Agent": f"rfinews/{__version__}"},
        method="POST",
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise OSError(f"it answers {error.code}") from None
    except (HTTPException, ValueError) as error:  # no answer in HTTP
        raise OSError(f"{type(error).__name__}: {error}") from error
    except urllib.error.URLError as error:
        raise OSError(str(error.reason)) from error


# ----------------------------------------------------------------------------------------------- mail


class MailServer(NamedTuple):
    """Where mail goes first. A password never goes there unencrypted, but to this machine."""

    host: str
    port: int
    is_tls: bool
    user: str | None
    password: str

    @classmethod
    def read(cls, address: str) -> Self:
        """Read ``smtp://[USER:PASSWORD@]HOST[:PORT]`` or ``smtps://…``. Raises `ValueError`.

        >>> MailServer.read("smtps://me:a%40b@mail.example.org")
        MailServer(host='mail.example.org', port=465, is_tls=True, user='me', password='a@b')
        """
        parts = urlsplit(address)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("not smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://…")
        is_tls = parts.scheme == "smtps"
        return cls(
            parts.hostname,
            parts.port or (465 if is_tls else 25),
            is_tls,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password or ""),
        )

    @property
    def is_here(self) -> bool:
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False


def check_mail(address: str) -> str:
    """Return a mail address. Raises `ValueError`, one line for the user.

    >>> check_mail("desk@example.org")
    'desk@example.org'
    """
    name, _, host = address.rpartition("@")
    is_plain = address.isascii() and address.isprintable() and not set(address) & set(" ,;<>()\"'")
    if not (name and host and is_plain):
        raise ValueError(f"not a mail address: {address!r}")
    return address


def mail(
    server: MailServer, sender: str, receivers: Sequence[str], notice: Notice, timeout: float
) -> None:
    """Send a notice by mail. Raises `OSError`."""
    message = EmailMessage()
    message["Subject"] = notice.subject
    message["From"] = sender
    message["To"] = ", ".join(receivers)
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # no answers from those on holiday
    message.set_content(notice.text)
    context = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=context)
            if server.is_tls
            else smtplib.SMTP(server.host, server.port, timeout=timeout)
        ) as smtp:
            if not server.is_tls and not server.is_here:
                smtp.ehlo()
                if smtp.has_extn("starttls"):
                    smtp.starttls(context=context)
                elif server.user:
                    raise OSError("it offers no encryption for the password")
            if server.user:
                smtp.login(server.user, server.password)
            refused = smtp.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise OSError(f"it answers {error.smtp_code} {words}") from error
    if refused:
        raise OSError(f"it refuses {', '.join(refused)}")


# -------------------------------------------------------------------------------------------- threads


async def in_thread(send: Callable[[], object], seconds: float) -> None:
    """Wait for a call that blocks, at most so many seconds. Raises `OSError`, as the call does.

    The thread is none of the event loop's own, for which the process would wait at its end.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():  # nobody waits any more
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            send()
        except Exception as raised:  # noqa: BLE001 - whoever waits gets it
            error = raised
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, daemon=True).start()
    try:
        await asyncio.wait_for(done, seconds)
    except TimeoutError:
        raise OSError(f"no answer within {seconds:g} seconds") from None
