"""Addresses: the canonical one of an article, what an address says, links made clean.

Pure text work, no network. CONTRACT §3 is the rule for ``canonical_url``, §4 for ``clean_link``.
Each function takes any text and never raises. Text that is no http(s) address (no host, a port that
is no number, a host that parsers read differently, more than 8,192 characters) belongs to no host.
"""

import hashlib
import ipaddress
import re
import socket
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes, urljoin, urlsplit

from rfinews.editions import EDITIONS, Edition

_LONGEST = 8192
# What no address begins or ends with: control characters, white space, zero-width marks.
_EDGES = "".join(map(chr, (*range(0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C)))) + (
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HTTP = re.compile(r"h\s*t\s*t\s*p\s*(?:s\s*)?:", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_ENCODED_AGAIN = re.compile(rb"%(?:25)+(?=[0-9A-Fa-f]{2})")
_RESERVED = re.compile(rb"[^A-Za-z0-9\-._~/]+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

_RFI_ALIASES = {
    "rfi.fr": "www.rfi.fr",
    "m.rfi.fr": "www.rfi.fr",
    "amp.rfi.fr": "www.rfi.fr",
    "rfi.ro": "www.rfi.ro",
}
_SHORT_LINK_HOSTS = ("rfi.my", "t.cn")
_EDITION_HOSTS = {
    host: edition
    for edition in EDITIONS.values()
    for host in (*edition.legacy_hosts, edition.host)
    if host != "www.rfi.fr"
}

_DATE = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_DATED_SLUG = re.compile(
    rf"{_DATE}-.+|.+-(?:[012]?\d|3[01])-(?:0[1-9]|1[0-2])-20\d\d", re.ASCII | re.DOTALL
)
_DATE_PREFIX = re.compile(r"[0-9]{8}-")
_SERVICE_SLUG = re.compile(r"podcasts|rss|tag|.*\.[a-z0-9]{2,5}", re.DOTALL)

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal")


class _Address(NamedTuple):
    """An http(s) address, its host normalised, the rest as it was written."""

    scheme: str
    user: str
    host: str
    port: int | None
    path: str
    query: str
    fragment: str


class _Wrapper(NamedTuple):
    """A kind of address that only leads to another one, which a query parameter names.

    ``address`` is matched against host and path. ``is_share``: it offers the target to a reader's
    friends. ``ends_query``: the parameter is the last one, so an unescaped target keeps its ``&``.
    """

    address: re.Pattern[str]
    parameters: tuple[str, ...]
    is_share: bool = False
    ends_query: bool = False


_WRAPPERS = (
    _Wrapper(re.compile(r".*/redir\.aspx", re.IGNORECASE), ("url",), ends_query=True),
    _Wrapper(re.compile(r"[^/]+\.safelinks\.protection\.outlook\.com/.*"), ("url",)),
    _Wrapper(re.compile(r"(?:www\.)?google(?:\.[a-z]{2,3}){1,2}/url"), ("q", "url")),
    _Wrapper(re.compile(r"(?:[^/]+\.)?facebook\.com/l\.php"), ("u",)),
    _Wrapper(
        re.compile(
            r"(?:[^/]+\.)?facebook\.com/(?:dialog/(?:send|share)|sharer?(?:/sharer)?(?:\.php)?/?)"
        ),
        ("u", "href", "link"),
        is_share=True,
    ),
    _Wrapper(
        re.compile(r"(?:[^/]+\.)?(?:twitter|x)\.com/(?:intent/(?:post|tweet)|share)"),
        ("url",),
        is_share=True,
    ),
    _Wrapper(
        re.compile(
            r"(?:[^/]+\.)?(?:linkedin\.com/(?:shareArticle|sharing/share-offsite/?)"
            r"|reddit\.com/submit|flipboard\.com/bookmarklet/popout|t\.me/share/url)"
        ),
        ("url",),
        is_share=True,
    ),
    _Wrapper(re.compile(r"(?:[^/]+\.)?whatsapp\.com/send/?"), (), is_share=True),
)
_SHARE_SCHEMES = ("fb-messenger:", "mailto:?", "sms:", "viber:", "whatsapp:")
_TRACKING = re.compile(
    r"utm_.+|at_.+|mc_[ce]id|_g[al]|(?:fb|g|dc|y|tw|ms|tt)clid|gclsrc|[gw]braid|igsh(?:id)?"
    r"|xtor|ref_(?:src|url)",
    re.IGNORECASE,
)


def canonical_url(url: str) -> str:
    """The one address of an article (CONTRACT §3), for any text, idempotent.

    An RFI address becomes https, with the host's usual name, no user, default port, query,
    fragment, trailing slash or ``/amp``; its path is decoded until no escape is left, NFC, and
    encoded again. Bytes that are no UTF-8 stay as they are. Another http(s) address keeps what it
    says and becomes plain ASCII; other text is returned stripped.

    >>> canonical_url("http://rfi.fr//cn/%25E5%259B%25BD%25E9%2599%2585/20231107-a/amp?ref=x#top")
    'https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-a'
    >>> canonical_url("https://www.rfi.fr/cn/国际/")
    'https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85'
    >>> canonical_url("http://TRAD.cn.rfi.fr./x/../20130101-a")
    'https://trad.cn.rfi.fr/20130101-a'
    >>> canonical_url(" HTTP://Example.com:80/é?q=1#f ")
    'http://example.com/%C3%A9?q=1#f'
    >>> canonical_url(" 国际 ")
    '国际'
    """
    address = _read(url)
    if address is None:
        return url.strip(_EDGES)
    if not _is_rfi_host(address.host):
        return _written(address)
    host = _RFI_ALIASES.get(address.host, address.host)
    port = "" if address.port in (None, 80, 443) else f":{address.port}"
    path = "".join(f"/{segment}" for segment in _segments(address.path))
    encoded = _RESERVED.sub(_escape, path.encode("utf-8", "surrogateescape"))
    return f"https://{host}{port}{encoded.decode('ascii')}"


def canonical_steps(url: str) -> list[tuple[str, str]]:
    """How an address becomes its canonical one: each rule that changes it, and what it is then.

    >>> for rule, result in canonical_steps("http://rfi.fr//cn/a/?x=1"): print(f"{rule}: {result}")
    query and fragment go: http://rfi.fr//cn/a/
    https: https://rfi.fr//cn/a/
    the host's usual name: https://www.rfi.fr//cn/a/
    repeated slashes collapse: https://www.rfi.fr/cn/a/
    no trailing slash: https://www.rfi.fr/cn/a
    >>> canonical_steps("https://www.rfi.fr/cn/a")
    []
    """
    now = url
    steps = []
    for rule, after in _steps(url):
        if after != now:
            steps.append((rule, after))
            now = after
    return steps


def _steps(url: str) -> Iterator[tuple[str, str]]:
    canonical = canonical_url(url)
    address = _read(url)
    if address is not None and _is_rfi_host(address.host):
        yield "blanks around it go", (text := url.strip(_EDGES))
        address = address._replace(query="", fragment="")
        yield "query and fragment go", re.split("[?#]", text, maxsplit=1)[0]
        user = f"{address.user}@" if address.user else ""
        port = "" if address.port is None else f":{address.port}"
        rest = f"{port}{address.path}"
        yield (
            "host in lower case, no default port",
            f"{address.scheme}://{user}{address.host}{rest}",
        )
        yield "no user name", f"{address.scheme}://{address.host}{rest}"
        yield "https", f"https://{address.host}{rest}"
        base = f"https://{urlsplit(canonical).netloc}"
        yield "the host's usual name", f"{base}{address.path}"
        path = re.sub("//+", "/", address.path)
        yield "repeated slashes collapse", f"{base}{path}"
        path = re.sub("(/amp)+/?$", "", path)
        yield "no /amp at the end", f"{base}{path}"
        yield "no trailing slash", f"{base}{path.removesuffix('/')}"
    yield "escapes, dots and characters made uniform", canonical


def is_rfi(url: str) -> bool:
    """Whether an http(s) address is on an RFI host: rfi.fr, its subdomains, (www.)rfi.ro.

    >>> is_rfi("http://cn.rfi.fr/")
    True
    >>> is_rfi("https://www.rfi.fr.evil.example/") or is_rfi("https://www.rfi.fr@evil.example/")
    False
    """
    address = _read(url)
    return address is not None and _is_rfi_host(address.host)


def is_short_link(url: str) -> bool:
    """Whether an address is a short link that may lead to RFI (``rfi.my/CODE``, ``t.cn/CODE``).

    >>> is_short_link("https://rfi.my/A59v.W"), is_short_link("https://rfi.my/")
    (True, False)
    """
    address = _read(url)
    return (
        address is not None
        and address.host.removeprefix("www.") in _SHORT_LINK_HOSTS
        and len(_segments(address.path)) == 1
    )


def is_article_url(url: str) -> bool:
    """Whether an RFI address, as it was written, can be that of an article.

    A dated last segment or one in ``contenu`` makes an article. Without a date there are only
    agency pieces, one segment after the edition: there a trailing slash, a name known as a section
    or service page (``Edition.pages``) or a file name tells pages that are none.

    >>> is_article_url("https://www.rfi.fr/fr/podcasts/grand-reportage/20211209-lions")
    True
    >>> is_article_url("https://www.rfi.fr/cn/亚股涨多跌少-4")
    True
    >>> is_article_url("https://www.rfi.fr/cn/中国/")
    False
    """
    address = _read(url)
    edition = edition_of(url)
    if address is None or edition is None:
        return False
    segments = _without_edition(_segments(address.path))
    if not segments:
        return False
    *section, slug = segments
    if _DATED_SLUG.fullmatch(slug):
        return True
    if _ends_with_slash(address.path) or _SERVICE_SLUG.fullmatch(slug):
        return False
    if section:
        return section == ["contenu"]
    host = _RFI_ALIASES.get(address.host, address.host)
    return host == edition.host and slug not in edition.pages


def article_id(canonical: str) -> str:
    """The record's ``id``: the first 32 hex digits of the SHA-256 of its canonical URL.

    >>> article_id("https://www.rfi.fr/cn/a")
    '2d9e3f000adf7d22c27e78baa06b5110'
    """
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def edition_of(canonical: str) -> Edition | None:
    """The edition of an RFI address, by its first path segment, else by its host.

    >>> edition_of("https://www.rfi.fr/br/brasil/20210101-a").language
    'pt-BR'
    >>> edition_of("http://m.trad.cn.rfi.fr/20130101-a").code
    'tw'
    >>> edition_of("https://www.rfi.fr/")
    """
    address = _read(canonical)
    if address is None or not _is_rfi_host(address.host):
        return None
    by_host = _EDITION_HOSTS.get(_language_host(address.host))
    return EDITIONS.get("".join(_segments(address.path)[:1]), by_host)


def section_of(canonical: str) -> str | None:
    """The record's ``section``: the decoded path between edition and last segment.

    >>> section_of("https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-a")
    '国际'
    >>> section_of("https://www.rfi.fr/fr/podcasts/grand-reportage/20211209-lions")
    'podcasts/grand-reportage'
    >>> section_of("https://www.rfi.fr/cn/contenu/20200824-a")
    """
    address = _read(canonical)
    if address is None or not _is_rfi_host(address.host):
        return None
    section = "/".join(_without_edition(_segments(address.path))[:-1])
    return None if section in ("", "contenu") else _readable(section)


def slug_of(canonical: str) -> str:
    """The decoded last path segment without its leading date; ``""`` where there is none.

    >>> slug_of("https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-%E7%BE%8E-1")
    '美-1'
    """
    address = _read(canonical)
    segments = _segments(address.path) if address else ()
    return _DATE_PREFIX.sub("", _readable(segments[-1]), count=1) if segments else ""


def day_of(url: str) -> int | None:
    """The day that an article's address begins its last segment with, as seconds since 1970.

    >>> day_of("https://www.rfi.fr/cn/%E5%9B%BD%E9%99%85/20231107-%E7%BE%8E") == 1699315200
    True
    >>> day_of("https://www.rfi.fr/cn/%E7%BE%8E")
    """
    address = _read(url)
    segments = _segments(address.path) if address else ()
    match = _DATE_PREFIX.match(segments[-1]) if segments else None
    try:
        return match and int(datetime.strptime(f"{match[0]}+0000", "%Y%m%d-%z").timestamp())
    except ValueError:
        return None


def clean_link(href: str, base_url: str) -> str | None:
    """A link of an article: absolute, http(s) or mailto, unwrapped, without tracking parameters.

    ``None`` for any other scheme, for what leads nowhere (``#note``, ``mailto:?subject=``) and for
    addresses that are none. Redirect wrappers give way to what they lead to, also one in another.
    Idempotent.

    >>> clean_link("/cn/a?utm_source=feed&p=2", "https://www.rfi.fr/cn/b")
    'https://www.rfi.fr/cn/a?p=2'
    >>> clean_link("http://mail.example/owa/redir.aspx?C=x&URL=https%3a%2f%2fudn.com%2f1", "")
    'https://udn.com/1'
    >>> clean_link("javascript:alert(1)", "https://www.rfi.fr/")
    """
    text = href.strip(_EDGES)
    if not text or text.startswith("#"):
        return None
    if text[:7].lower() == "mailto:":
        return _mailto(text[7:])
    address = _in_ascii(_read(text) or _read(_joined(base_url, text)))
    while address and (target := _target(address)):
        address = _in_ascii(target)
    if address is None:
        return None
    query = "&".join(p for p in address.query.split("&") if not _is_tracking(p))
    fragment = "" if _is_tracking(address.fragment) else address.fragment
    return _written(address._replace(query=query, fragment=fragment))


def is_author_page(href: str) -> bool:
    """Whether a link, also a relative one, leads to the page of one of RFI's authors.

    >>> is_author_page("/cn/作者/罗拉/"), is_author_page("/cn/作者/")
    (True, False)
    """
    url = _joined("https://www.rfi.fr/", href.strip(_EDGES))
    address = _read(url)
    edition = edition_of(url)
    if address is None or edition is None:
        return False
    segments = _without_edition(_segments(address.path))
    return len(segments) > 1 and segments[0] in edition.author_words


def is_share_link(href: str) -> bool:
    """Whether a link offers a page to a reader's friends (Facebook, X, WhatsApp, mail without address).

    >>> is_share_link("https://x.com/intent/tweet?url=https%3A%2F%2Frfi.my%2FA59v.X")
    True
    >>> is_share_link("https://x.com/RFI_Cn")
    False
    """
    text = href.strip(_EDGES)
    if text.lower().startswith(_SHARE_SCHEMES):
        return True
    address = _read(text)
    wrapper = _wrapper(address) if address else None
    return wrapper is not None and wrapper.is_share


def is_private_host(url: str) -> bool:
    """Whether an http(s) address leads to this machine or a private network.

    That is a name without a dot, ``localhost``, ``.local``, ``.internal``, or an IP address in any
    spelling that is not globally routable. An http(s) address that cannot be taken apart counts as
    private too: better refused than left to whoever reads it otherwise. Names are not looked up.

    >>> [is_private_host(f"http://{host}/") for host in ("2130706433", "0x7f.1", "[::ffff:7f00:1]")]
    [True, True, True]
    >>> is_private_host("https://www.rfi.fr/")
    False
    """
    address = _read(url)
    if address is None:
        return _HTTP.match(url.strip(_EDGES)) is not None
    ip = _ip(address.host)
    if ip is None:
        return "." not in address.host or f".{address.host}".endswith(_PRIVATE_SUFFIXES)
    return not ip.is_global or ip.is_multicast or ip.is_reserved


@lru_cache(maxsize=256)  # each article asks several questions about its one address
def _read(url: str) -> _Address | None:
    """The parts of an http(s) address, ``None`` for other text."""
    text = url.strip(_EDGES)
    if len(text) > _LONGEST:
        return None
    try:
        parts = urlsplit(text)
        if parts.scheme not in _DEFAULT_PORTS:
            return None
        host = _host(parts.netloc, parts.hostname or "")
        port = parts.port
    except ValueError:
        return None
    if host is None:
        return None
    user = parts.netloc.rpartition("@")[0]
    if port == _DEFAULT_PORTS[parts.scheme]:
        port = None
    return _Address(parts.scheme, user, host, port, parts.path, parts.query, parts.fragment)


def _host(netloc: str, name: str) -> str | None:
    """A host name as ASCII without trailing dot, an IPv6 address in brackets, or ``None``.

    Raises ``ValueError`` for names that IDNA refuses and for no IPv6 address in the brackets. A
    backslash is a slash to browsers and a letter to other parsers, so it makes no host.
    """
    if "\\" in netloc:
        return None
    if "[" in netloc:
        return f"[{ipaddress.IPv6Address(name)}]" if "%" not in name else None
    if "%" in name:
        name = unquote(name, errors="strict").lower()
    if not name.isascii():
        name = name.encode("idna").decode("ascii").lower()
    name = name.removesuffix(".")
    return name if _HOST.fullmatch(name) and len(name) <= 253 else None


def _is_rfi_host(host: str) -> bool:
    return host.endswith(".rfi.fr") or host in ("rfi.fr", "rfi.ro", "www.rfi.ro")


def _language_host(host: str) -> str:
    host = _RFI_ALIASES.get(host, host)
    return host if host in _EDITION_HOSTS else host.removeprefix("m.").removeprefix("www.")


@lru_cache(maxsize=256)  # each article asks several questions about its one address
def _segments(path: str) -> tuple[str, ...]:
    """The decoded segments of an RFI path (CONTRACT §3); invalid bytes as surrogates."""
    data = path.encode("utf-8", "surrogatepass")
    decoded = _ESCAPES.sub(_unescape, data)
    while decoded != data:
        data = _ENCODED_AGAIN.sub(b"%", decoded)
        decoded = _ESCAPES.sub(_unescape, data)
    text = unicodedata.normalize("NFC", data.decode("utf-8", "surrogateescape"))
    segments: list[str] = []
    for segment in text.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    while segments and segments[-1] == "amp":
        segments.pop()
    return tuple(segments)


def _without_edition(segments: tuple[str, ...]) -> tuple[str, ...]:
    return segments[1:] if segments and segments[0] in EDITIONS else segments


def _ends_with_slash(path: str) -> bool:
    return unquote_to_bytes(path.encode("utf-8", "surrogatepass")).endswith(b"/")


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[0].replace(b"%", b"").decode("ascii"))


def _escape(match: re.Match[bytes]) -> bytes:
    return b"%" + match[0].hex("%").upper().encode("ascii")


def _written(address: _Address) -> str:
    """An address as ASCII text, its escapes untouched."""
    user = f"{_quoted(address.user, ':')}@" if address.user else ""
    port = "" if address.port is None else f":{address.port}"
    path = _quoted(address.path, "/:@")
    query = f"?{_quoted(address.query, '/:@?')}" if address.query else ""
    fragment = f"#{_quoted(address.fragment, '/:@?')}" if address.fragment else ""
    return f"{address.scheme}://{user}{address.host}{port}{path}{query}{fragment}"


def _in_ascii(address: _Address | None) -> _Address | None:
    return _read(_written(address)) if address else None


def _quoted(text: str, safe: str) -> str:
    quoted = quote(text, safe=f"%!$&'()*+,;={safe}", errors="surrogatepass")
    return _STRAY_PERCENT.sub("%25", quoted)


def _joined(base_url: str, href: str) -> str:
    try:
        return urljoin(base_url, href)
    except ValueError:
        return ""


def _mailto(rest: str) -> str | None:
    return f"mailto:{_quoted(rest, '/:@?')}" if "@" in rest.partition("?")[0] else None


def _wrapper(address: _Address) -> _Wrapper | None:
    place = f"{address.host}{address.path}"
    return next((wrapper for wrapper in _WRAPPERS if wrapper.address.fullmatch(place)), None)


def _target(address: _Address) -> _Address | None:
    """Where a redirect wrapper leads, ``None`` for an address that is none."""
    wrapper = _wrapper(address)
    rest = address.query if wrapper else ""
    while wrapper and rest:
        part, _, after = rest.partition("&")
        name, _, value = part.partition("=")
        if name.lower() in wrapper.parameters:
            if "://" not in value:
                value = unquote(value)
            elif wrapper.ends_query:
                value = rest.partition("=")[2]
            if (target := _read(value)) is not None:
                return target
        rest = after
    return None


def _is_tracking(parameter: str) -> bool:
    return _TRACKING.fullmatch(parameter.partition("=")[0]) is not None


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a host spells, as a resolver reads it (``0x7f.1`` is 127.0.0.1)."""
    if host.startswith("["):
        v6 = ipaddress.IPv6Address(host[1:-1])
        return v6.ipv4_mapped or v6.sixtofour or v6
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
