import csv
import hashlib
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rfinews.urls import (
    article_id,
    canonical_url,
    clean_link,
    edition_of,
    is_article_url,
    is_author_page,
    is_private_host,
    is_rfi,
    is_share_link,
    is_short_link,
    section_of,
    slug_of,
)

WWW = "https://www.rfi.fr"
CN_WORLD = f"{WWW}/cn/%E5%9B%BD%E9%99%85"  # /cn/国际

# Pieces from which hostile addresses are made, more often than from plain text.
PIECES = st.sampled_from(
    "http:// https:// HTTP: // / \\ www.rfi.fr rfi.fr m.rfi.fr amp.rfi.fr cn.rfi.fr rfi.ro ｗｗｗ。rfi.fr"
    " evil.example localhost 127.1 0x7f [::1] [ ] @ : :80 :443 :8080 :x . .. ;"
    " % %25 25 E5 %E5%9B%BD %e5 %2F %2e %00 %u 国际 é ℀ /amp amp cn fr contenu 20231107-a -1"
    " ? & # = a=b url= u= q= utm_source=x xtor=RSS-1 x.com/intent/tweet facebook.com/l.php"
    " mail.example/owa/redir.aspx google.com/url mailto: javascript: data: e\u0301 \ud800 \udce5"
    " \0 \u200b".split(" ")
) | st.sampled_from(" \t\n\u3000")
ADDRESSES = st.one_of(
    st.text(),
    st.lists(PIECES, max_size=10).map("".join),
    st.tuples(
        st.sampled_from(["https://www.rfi.fr/cn/", "http://rfi.fr//", "https://x.com/share?url="]),
        st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=8).map("".join),
    ).map("".join),
)


# -------------------------------------------------------------------------------- canonical_url


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        # scheme, host
        ("http://www.rfi.fr/cn/a", f"{WWW}/cn/a"),
        ("HTTPS://WWW.RFI.FR/cn/a", f"{WWW}/cn/a"),
        ("https://rfi.fr/cn/a", f"{WWW}/cn/a"),
        ("https://m.rfi.fr/cn/a", f"{WWW}/cn/a"),
        ("https://amp.rfi.fr/cn/a", f"{WWW}/cn/a"),
        ("https://www.rfi.fr./cn/a", f"{WWW}/cn/a"),
        ("https://ｗｗｗ。rfi.fr/cn/a", f"{WWW}/cn/a"),
        ("https://www%2Erfi.fr/cn/a", f"{WWW}/cn/a"),
        ("http://cn.rfi.fr/a", "https://cn.rfi.fr/a"),
        ("http://trad.cn.rfi.fr/a", "https://trad.cn.rfi.fr/a"),
        ("http://m.cn.rfi.fr/a", "https://m.cn.rfi.fr/a"),
        ("http://rfi.ro/a-123-b", "https://www.rfi.ro/a-123-b"),
        # user info, port
        ("https://user:secret@www.rfi.fr/cn/a", f"{WWW}/cn/a"),
        ("http://www.rfi.fr:80/cn/a", f"{WWW}/cn/a"),
        ("http://www.rfi.fr:443/cn/a", f"{WWW}/cn/a"),
        ("https://www.rfi.fr:80/cn/a", f"{WWW}/cn/a"),
        ("https://www.rfi.fr:/cn/a", f"{WWW}/cn/a"),
        ("http://www.rfi.fr:8080/cn/a", f"{WWW}:8080/cn/a"),
        # path
        ("http://www.rfi.fr//cn///a", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/国际", CN_WORLD),
        ("https://www.rfi.fr/cn/%e5%9b%bd%e9%99%85", CN_WORLD),
        ("https://www.rfi.fr/cn/%25E5%259B%25BD%25E9%2599%2585", CN_WORLD),
        ("https://www.rfi.fr/cn/%2525E5%25259B%2525BD%25E9%2599%2585", CN_WORLD),
        ("https://www.rfi.fr/cn%2Fa", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/fr/e\u0301conomie/a", f"{WWW}/fr/%C3%A9conomie/a"),
        ("https://www.rfi.fr/fr/e%CC%81conomie/a", f"{WWW}/fr/%C3%A9conomie/a"),
        ("https://www.rfi.fr/%63%6e/%61%2D%31%7E", f"{WWW}/cn/a-1~"),
        ("https://www.rfi.fr/cn/a,b:c;d=e!(f)'*", f"{WWW}/cn/a%2Cb%3Ac%3Bd%3De%21%28f%29%27%2A"),
        ("https://www.rfi.fr/cn/a%3Fb%23c", f"{WWW}/cn/a%3Fb%23c"),
        ("https://www.rfi.fr/cn/逾100%", f"{WWW}/cn/%E9%80%BE100%25"),
        (
            "https://www.rfi.fr/cn/复赛　总裁",
            f"{WWW}/cn/%E5%A4%8D%E8%B5%9B%E3%80%80%E6%80%BB%E8%A3%81",
        ),
        ("https://www.rfi.fr/cn/a b", f"{WWW}/cn/a%20b"),
        ("https://www.rfi.fr/cn/\ta\n", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/./x/../a/.", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/x/%2E%2e/a", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/../../cn/a", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/a/", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/a//", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/a/amp", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/a/amp/", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/a/amp/amp", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/camp", f"{WWW}/cn/camp"),
        ("https://www.rfi.fr/cn/amp/a", f"{WWW}/cn/amp/a"),
        ("https://www.rfi.fr/cn/20210114-逾1-5", f"{WWW}/cn/20210114-%E9%80%BE1-5"),
        ("https://www.rfi.fr/cn/%E5%E5x", f"{WWW}/cn/%E5%E5x"),
        ("https://www.rfi.fr/cn/%e5\ud800", f"{WWW}/cn/%E5%ED%A0%80"),
        ("https://www.rfi.fr", WWW),
        ("https://www.rfi.fr/", WWW),
        ("https://www.rfi.fr?x", WWW),
        # query, fragment
        ("https://www.rfi.fr/cn/a?utm_source=x&p=/b#c", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/a/?x#y", f"{WWW}/cn/a"),
        ("https://www.rfi.fr/cn/a#?x", f"{WWW}/cn/a"),
        (" \ufeffhttps://www.rfi.fr/cn/a\u3000\n", f"{WWW}/cn/a"),
    ],
)
def test_one_address_for_an_article(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.com/a/?utm_source=x&b=1#c", "https://example.com/a/?utm_source=x&b=1#c"),
        ("HTTP://EXAMPLE.com:80//A/../b", "http://example.com//A/../b"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://例子.example/é ü%C3", "https://xn--fsqu00a.example/%C3%A9%20%C3%BC%C3"),
        ("http://[2001:DB8::0:1]:80/", "http://[2001:db8::1]/"),
        ("https://rfi.my/A59v.W", "https://rfi.my/A59v.W"),
    ],
)
def test_other_sites_keep_what_they_say(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "国际",
        "/cn/a",
        "//www.rfi.fr/cn/a",
        "www.rfi.fr/cn/a",
        "http:///cn/a",
        "https://",
        "https://www.rfi.fr:port/cn/a",
        "https://www.rfi.fr:99999/",
        "https://[::1/",
        "https://[v1.rfi.fr]/",
        "https://[fe80::1%25eth0]/",
        "https://www..rfi.fr/",
        "https://www.rfi.fr%2Fcn/a",
        f"https://{'a' * 64}.rfi.fr/",
        "https://℀.rfi.fr/",
        "https://www.rfi.fr\\@evil.example/",
        "https://evil.example\\@www.rfi.fr/",
        "javascript:alert(1)",
        "mailto:a@b.example",
        "file:///etc/passwd",
        "https://www.rfi.fr/" + "a" * 8192,
    ],
)
def test_text_that_is_no_address_comes_back_stripped(text: str) -> None:
    assert canonical_url(f" {text}\n") == text
    assert not is_rfi(text)
    assert not is_article_url(text)
    assert edition_of(text) is None
    assert section_of(text) is None


@given(ADDRESSES)
@example("https://www.rfi.fr/cn/%25%32%35%34%31")
@example("https://www.rfi.fr/cn/a/amp/./amp/..")
@example("https://www.rfi.fr/cn/%252E%252E%252Famp")
def test_canonical_url_is_idempotent(text: str) -> None:
    once = canonical_url(text)
    assert canonical_url(once) == once


@given(ADDRESSES)
def test_the_canonical_address_of_an_rfi_address_is_one_in_normal_form(text: str) -> None:
    canonical = canonical_url(text)
    assert is_rfi(canonical) == is_rfi(text)
    if is_rfi(text):
        assert re.fullmatch(
            r"https://[a-z0-9._-]+(:\d+)?(/([\w.~-]|%[0-9A-F]{2})+)*", canonical, re.ASCII
        )
        path = urlsplit(canonical).path
        decoded = unquote(path, errors="surrogateescape")
        assert unicodedata.is_normalized("NFC", decoded)
        assert not {".", "..", "amp"} & {decoded.rsplit("/", 1)[-1]}


@given(ADDRESSES)
def test_no_address_of_another_site_becomes_one_of_rfi(text: str) -> None:
    host = re.match(r"https://([a-z0-9._-]+)(?=[:/]|\Z)", canonical_url(text))
    assert is_rfi(text) == bool(host and re.fullmatch(r".+\.rfi\.fr|www\.rfi\.ro", host[1]))


@given(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="?#/%.\t\n\r"),
        min_size=1,
        max_size=40,
    )
)
def test_every_spelling_of_a_slug_gives_the_same_address(slug: str) -> None:
    canonical = canonical_url(f"{WWW}/cn/国际/20231107-{slug}-1")
    escaped = canonical.removeprefix(WWW)
    assert canonical_url("http://rfi.fr/" + escaped.replace("%", "%25") + "/amp?x") == canonical
    assert canonical_url(f"https://m.rfi.fr//{unquote(escaped)}/") == canonical


def test_addresses_nested_thousands_deep_are_read() -> None:
    assert canonical_url(f"{WWW}/%{'25' * 4000}41") == f"{WWW}/A"
    assert canonical_url(f"{WWW}/{'%2%35' * 1600}41").startswith(f"{WWW}/%25%25")


def test_hand_checked_answers(samples: Path) -> None:
    lines = (samples / "gold.jsonl").read_text(encoding="utf-8").splitlines()
    for gold in map(json.loads, lines):
        canonical = gold["canonical_url"]
        decoded = unquote(canonical)
        for spelling in (
            canonical,
            decoded,
            decoded.replace("https://www.rfi.fr/", "http://www.rfi.fr//"),
            canonical.replace("%", "%25"),
            canonical.lower() + "/amp?utm_source=x",
        ):
            assert canonical_url(spelling) == canonical
        assert is_article_url(canonical)
        assert section_of(canonical) == gold["section"]
        edition = edition_of(canonical)
        assert edition is not None
        assert edition.code == "cn"


def test_canonical_links_and_redirects_of_the_site_itself(samples: Path) -> None:
    name = "crawl-of-rfi-fr-2021-12-09.csv"
    with (samples / name).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100
    articles = 0
    for row in rows:
        address = row["Address"]
        canonical = canonical_url(address)
        for same in ("Canonical Link Element 1", "Redirect URL", "URL Encoded Address"):
            if row[same]:
                assert canonical_url(row[same]) == canonical
        dated = re.search(r"/\d{8}-[^/]+$", address) is not None
        if not row["Redirect URL"]:
            assert is_article_url(address) == dated, address
        articles += dated
    assert articles > 40


# -------------------------------------------------------------------------------- what it says


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://www.rfi.fr/", True),
        ("https://rfi.fr", True),
        ("https://cn.rfi.fr/a", True),
        ("https://www.rfi.ro/a", True),
        ("https://user@www.rfi.fr/", True),
        ("https://www.rfi.fr.evil.example/", False),
        ("https://www.rfi.fr@evil.example/", False),
        ("https://www.rfi.fr%40evil.example/", False),
        ("https://www.rfi.fr\\@evil.example/", False),
        ("https://evil.example/www.rfi.fr", False),
        ("https://evil.example#@www.rfi.fr", False),
        ("https://evilrfi.fr/", False),
        ("https://www-rfi.fr/", False),
        ("https://www.rfi.fr%2eevil.example/", False),
        ("https://www.гfi.fr/", False),  # a Cyrillic г
        ("https://evil.rfi.ro/", False),
        ("ftp://www.rfi.fr/", False),
        ("https://rfi.my/A59v", False),
    ],
)
def test_look_alikes_are_not_rfi(url: str, answer: bool) -> None:
    assert is_rfi(url) is answer


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("https://rfi.my/A59v", True),
        ("https://rfi.my/A59v.W", True),
        ("http://t.cn/A6abc", True),
        ("https://rfi.my/", False),
        ("https://rfi.my/a/b", False),
        ("https://rfi.my.evil.example/A59v", False),
        ("https://www.rfi.fr/A59v", False),
    ],
)
def test_short_links(url: str, answer: bool) -> None:
    assert is_short_link(url) is answer


@pytest.mark.parametrize(
    "url",
    [
        f"{WWW}/cn/国际/20231107-a",
        "http://www.rfi.fr//cn/国际/20231107-a",
        f"{WWW}/cn/国际/20231107-a/",
        f"{WWW}/cn/%25E5%259B%25BD%25E9%2599%2585/20231107-a",
        f"{WWW}/cn/专栏检索/要闻分析/20201111-a",
        f"{WWW}/cn/contenu/20200630-a",
        f"{WWW}/fr/contenu/a",
        f"{WWW}/fr/en-bref/20211209-a",
        f"{WWW}/fr/podcasts/grand-reportage/20211209-a",
        f"{WWW}/cn/亚股涨多跌少-4",
        f"{WWW}/cn/日股收跌",
        f"{WWW}/cn/日股收跌?ref=x",
        f"{WWW}/cn/日股收跌/amp",
        f"{WWW}/km/cambodia/daily-guest-28-08-2019",
        "http://cn.rfi.fr/中国/20130101-a",
        "http://ha.rfi.fr/ha/duniya/20170522-a",
        "http://m.pt.rfi.fr/franca/20190615-a",
        "https://www.rfi.ro/emisiunile-rfi-ro-55928-actualitatea",
    ],
)
def test_addresses_of_articles(url: str) -> None:
    assert is_article_url(url)


@pytest.mark.parametrize(
    "url",
    [
        WWW,
        f"{WWW}/",
        f"{WWW}/cn",
        f"{WWW}/cn/",
        f"{WWW}/cn//",
        f"{WWW}/cn/中国/",
        f"{WWW}/cn/中国",
        f"{WWW}/cn/日股收跌/",
        f"{WWW}/cn/日股收跌%2F",
        f"{WWW}/cn/日股收跌/?page=2",
        f"{WWW}/fr/économie/",
        f"{WWW}/fr/e\u0301conomie",
        f"{WWW}/fr/direct-monde",
        f"{WWW}/fr/podcasts/",
        f"{WWW}/fr/podcasts",
        f"{WWW}/fr/podcasts/journal-français-facile/",
        f"{WWW}/fr/podcasts/journal-français-facile",
        f"{WWW}/fr/tag/coronavirus/",
        f"{WWW}/cn/作者/罗拉/",
        f"{WWW}/cn/作者/罗拉",
        f"{WWW}/cn/rss",
        f"{WWW}/cn/国际/rss",
        f"{WWW}/cn/index.xml",
        f"{WWW}/sitemaps/cn/index.xml",
        f"{WWW}/sitemaps/cn/contents_202311.xml",
        f"{WWW}/xx/20231107-a",
        f"{WWW}/cn/国际/20231307-a",
        f"{WWW}/cn/国际/12345678-a",
        f"{WWW}/cn/国际/20231107-",
        "https://s.rfi.fr/media/display/f9f17f96/w:310/a.jpg",
        "https://cn.rfi.fr/",
        "https://cn.rfi.fr/中国",
        "https://km.rfi.fr/cambodia",
        "https://www.rfi.ro/",
        "https://www.rfi.fr.evil.example/cn/国际/20231107-a",
    ],
)
def test_other_addresses(url: str) -> None:
    assert not is_article_url(url)


@pytest.mark.parametrize(
    ("url", "edition", "section", "slug"),
    [
        (f"{CN_WORLD}/20231107-%E7%BE%8E-1", "cn", "国际", "美-1"),
        (f"{WWW}/cn/专栏检索/要闻分析/20201111-a", "cn", "专栏检索/要闻分析", "a"),
        (f"{WWW}/cn/contenu/20200824-tiktok", "cn", None, "tiktok"),
        (f"{WWW}/cn/亚股涨多跌少-4", "cn", None, "亚股涨多跌少-4"),
        (f"{WWW}/fr/en-bref/20211209-a", "fr", "en-bref", "a"),
        (f"{WWW}/cn/20231107", "cn", None, "20231107"),
        ("https://trad.cn.rfi.fr/國際/20130101-a", "tw", "國際", "a"),
        ("https://ha.rfi.fr/ha/duniya/20170522-a", "ha", "duniya", "a"),
        ("https://m.en.rfi.fr/africa/20100705-a", "en", "africa", "a"),
        (
            "https://www.rfi.ro/special-paris-141689-macron",
            "ro",
            None,
            "special-paris-141689-macron",
        ),
        (f"{WWW}/ma/", "ma", None, "ma"),
        (f"{WWW}/xx/y/20231107-a", None, "xx/y", "a"),
        (f"{WWW}/cn/%E5%E5/20231107-%FF", "cn", "\ufffd\ufffd", "\ufffd"),
        (WWW, None, None, ""),
        ("https://example.com/fr/x/20231107-a", None, None, "a"),
    ],
)
def test_what_an_address_tells(
    url: str, edition: str | None, section: str | None, slug: str
) -> None:
    found = edition_of(url)
    assert (found.code if found else None) == edition
    assert section_of(url) == section
    assert slug_of(url) == slug


def test_article_id_is_the_head_of_the_hash() -> None:
    url = f"{CN_WORLD}/20231107-a"
    assert article_id(url) == hashlib.sha256(url.encode()).hexdigest()[:32]


@pytest.mark.parametrize(
    ("href", "answer"),
    [
        ("/cn/作者/罗拉/", True),
        (" https://www.rfi.fr/cn/%E4%BD%9C%E8%80%85/%E7%BD%97%E6%8B%89/ ", True),
        ("/fr/auteur/raphaëlle-constant/", True),
        ("/fr/auteur/", False),
        ("/fr/afrique/20211209-auteur", False),
        ("/fr/author/x/", False),
        ("https://example.com/fr/auteur/x/", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_author_pages(href: str, answer: bool) -> None:
    assert is_author_page(href) is answer


@pytest.mark.parametrize(
    ("href", "answer"),
    [
        ("https://www.facebook.com/dialog/share?app_id=1&href=https%3A%2F%2Frfi.my%2FA59v.F", True),
        ("https://www.facebook.com/sharer/sharer.php?u=x", True),
        ("https://twitter.com/intent/tweet?url=x", True),
        ("https://x.com/intent/tweet?url=x", True),
        ("https://web.whatsapp.com/send?text=x", True),
        ("whatsapp://send?text=x", True),
        ("mailto:?subject=x&body=y", True),
        ("https://t.me/share/url?url=x", True),
        ("https://www.facebook.com/RFIChinois", False),
        ("https://www.facebook.com/sharing-is-caring", False),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.com", False),
        ("https://x.com/RFI_Cn/status/1", False),
        ("https://x.com.evil.example/share?url=x", False),
        ("mailto:redaction@example.com", False),
        ("https://www.rfi.fr/share", False),
        ("", False),
    ],
)
def test_share_links(href: str, answer: bool) -> None:
    assert is_share_link(href) is answer


# -------------------------------------------------------------------------------- links


@pytest.mark.parametrize(
    ("href", "link"),
    [
        ("/cn/国际/20231107-a", f"{CN_WORLD}/20231107-a"),
        ("20231107-a", f"{CN_WORLD}/20231107-a"),
        ("//example.com/a", "https://example.com/a"),
        (" https://example.com/a b ", "https://example.com/a%20b"),
        ("https://example.com/a?b=c|d&e=%C3%A9#f", "https://example.com/a?b=c%7Cd&e=%C3%A9#f"),
        ("https://example.com/100%", "https://example.com/100%25"),
        ("https://example.com/\ud800", "https://example.com/%ED%A0%80"),
        ("mailto:redaction@example.com", "mailto:redaction@example.com"),
        ("MAILTO:a@example.com?subject=é", "mailto:a@example.com?subject=%C3%A9"),
        # tracking
        ("https://example.com/?utm_source=x&p=1&fbclid=y", "https://example.com/?p=1"),
        ("https://example.com/?xtor=RSS-1", "https://example.com/"),
        ("https://example.com/a#xtor=RSS-1", "https://example.com/a"),
        ("https://example.com/a?mc_cid=1&MC_EID=2&gclid=3&at_medium=4", "https://example.com/a"),
        ("https://x.com/a/status/1?ref_src=twsrc^tfw&s=20", "https://x.com/a/status/1?s=20"),
        ("https://example.com/?atlas=1&utm=2#gclid-story", "https://example.com/?atlas=1&utm=2#gclid-story"),
        # wrappers
        (
            "http://mail.example/owa/redir.aspx?C=wS..&URL=http%3a%2f%2fudn.com%2ftag%3fa%3d1",
            "http://udn.com/tag?a=1",
        ),
        (
            "http://mail.example/owa/redir.aspx?C=wS..&URL=https://udn.com/新冠?a=1&b=2",
            "https://udn.com/%E6%96%B0%E5%86%A0?a=1&b=2",
        ),
        (
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fexample.com%2Fa&data=x",
            "https://example.com/a",
        ),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.com%2Fa%3Ffbclid%3D1&h=x", "https://example.com/a"),
        (
            "https://www.facebook.com/dialog/share?app_id=1&href=https%3A%2F%2Frfi.my%2FA59v.F&redirect_uri=x",
            "https://rfi.my/A59v.F",
        ),
        ("https://www.facebook.com/sharer/sharer.php?u=http%3A%2F%2Fexample.com", "http://example.com"),
        ("https://x.com/intent/tweet?url=https%3A%2F%2Frfi.my%2FA59v.X&via=RFI_Cn", "https://rfi.my/A59v.X"),
        ("https://twitter.com/share?text=x&url=https%3A%2F%2Fexample.com%2F", "https://example.com/"),
        ("https://www.google.com/url?sa=t&q=https%3A%2F%2Fexample.com%2F&ved=x", "https://example.com/"),
        (
            "https://x.com/share?url=https%3A%2F%2Fl.facebook.com%2Fl.php%3Fu%3Dhttps%253A%252F%252Fexample.com%252Fa",
            "https://example.com/a",
        ),
        ("https://x.com/intent/tweet?text=x", "https://x.com/intent/tweet?text=x"),
        ("https://x.com/intent/tweet?url=javascript:alert(1)", "https://x.com/intent/tweet?url=javascript:alert(1)"),
        ("https://example.com/?url=https%3A%2F%2Fother.example", "https://example.com/?url=https%3A%2F%2Fother.example"),
        # nowhere
        ("", None),
        ("#note", None),
        ("javascript:alert(1)", None),
        (" java\nscript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///C:/a.jpg", None),
        ("whatsapp://send?text=x", None),
        ("tel:+33", None),
        ("mailto:?subject=x", None),
        ("http://", None),
        ("http://[::1", None),
        ("https://www.rfi.fr\\@evil.example/", None),
    ],
)  # fmt: skip
def test_links_of_articles(href: str, link: str | None) -> None:
    assert clean_link(href, f"{CN_WORLD}/20231107-b") == link


def test_a_relative_link_needs_a_base() -> None:
    assert clean_link("/cn/a", "") is None
    assert clean_link("/cn/a", "http://[") is None


@given(ADDRESSES, st.sampled_from(["", f"{WWW}/cn/a", "::["]))
@example("http://x.com/share?url=https://℀@www.rfi.fr", "")
def test_a_clean_link_is_ascii_and_clean(href: str, base: str) -> None:
    link = clean_link(href, base)
    if link is not None:
        assert re.match(r"https?://|mailto:", link)
        assert link.isascii()
        assert not re.search(r"[\s\"<>]", link)
        assert clean_link(link, base) == link
        assert clean_link(link, "") == link


# -------------------------------------------------------------------------------- private hosts


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "printer.local",
        "db.internal",
        "intranet",
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "１２７.0.0.1",
        "127%2e0.0.1",
        "127。0。0。1",
        "user@127.0.0.1",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fc00::1]",
        "[ff02::1]",
        "127.0.0.1 ",
        "127.0.0.1\\@www.rfi.fr",
        "\t127.0.0.1 ",
    ],
)
def test_private_hosts(host: str) -> None:
    assert is_private_host(f"http://{host}:8000/cn/")
    assert is_private_host(f"HT\tTPS://{host}")


@pytest.mark.parametrize(
    "url",
    [
        "https://www.rfi.fr/",
        "http://8.8.8.8/",
        "http://134744072/",
        "http://[2001:4860:4860::8888]/",
        "http://[::ffff:8.8.8.8]/",
        "https://local.example/",
        "https://127.0.0.1.example/",
        "ftp://127.0.0.1/",
        "localhost",
        "",
    ],
)
def test_public_hosts(url: str) -> None:
    assert not is_private_host(url)


@given(st.ip_addresses())
def test_an_ip_address_is_private_unless_routable(ip: object) -> None:
    private = is_private_host(f"http://[{ip}]/" if ":" in str(ip) else f"http://{ip}/")
    assert private or ip.is_global  # type: ignore[attr-defined]


# -------------------------------------------------------------------------------- everywhere


@given(ADDRESSES)
def test_no_text_raises(text: str) -> None:
    for function in (
        article_id,
        canonical_url,
        edition_of,
        is_article_url,
        is_author_page,
        is_private_host,
        is_rfi,
        is_share_link,
        is_short_link,
        section_of,
        slug_of,
    ):
        function(text)
    clean_link(text, text)


@pytest.mark.parametrize("module", ["editions", "urls", "dates"])
def test_the_ground_floor_stands_on_its_own(module: str) -> None:
    code = (
        f"import sys, rfinews.{module}\n"
        "above = [n for n in sys.modules if n.split('.')[0] in ('scrapy', 'twisted', 'lxml')\n"
        "         or n.startswith(('rfinews.items', 'rfinews.parsers', 'rfinews.markup'))]\n"
        "sys.exit(', '.join(above) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
