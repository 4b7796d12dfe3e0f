import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfinews.parsers.archive import Document, NotADocument, read_document

URL = "https://www.rfi.fr/cn/国际/20231107-例题"
PAYLOAD = "<div>07/11/2023 - 12:35</div><p>甲</p>"
PLAIN = f"<!--1699359302000-->\n[例题]({URL})\n------\n\n{PAYLOAD}\n"
FRONT = "---\ntitle: 别的\ndate: 2020-01-01 00:00:00\nauthor: 法广\ntags: [a]\n---\n\n"


def test_a_plain_document() -> None:
    assert read_document(PLAIN) == Document("2023-11-07T12:15:02Z", "例题", URL, PAYLOAD)


def test_a_document_with_front_matter_and_box() -> None:
    document = read_document(
        f"{FRONT}<!--1593374180999-->\n[例题]({URL})\n------\n\n<div>{PAYLOAD}</div>"
    )
    assert document == Document("2020-06-28T19:56:20Z", "例题", URL, f"<div>{PAYLOAD}</div>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PLAIN.replace("\n", "\r\n"), ("例题", URL, PAYLOAD)),
        (PLAIN.replace("[例题]", "[甲 [乙] (丙)]"), ("甲 [乙] (丙)", URL, PAYLOAD)),
        (PLAIN.replace("[例题]", "[]"), ("", URL, PAYLOAD)),
        (PLAIN.replace(URL, f"{URL}(1)"), ("例题", f"{URL}(1)", PAYLOAD)),
        (PLAIN.replace(URL, f" {URL} "), ("例题", URL, PAYLOAD)),
        (PLAIN.replace(URL, ""), ("例题", "", PAYLOAD)),
        (PLAIN.replace("------", "---"), ("例题", URL, PAYLOAD)),
        (PLAIN.replace("------\n\n", "--------  \n"), ("例题", URL, PAYLOAD)),
        (PLAIN.replace("<!--1699", "<!-- 1699").replace("-->", " -->  "), ("例题", URL, PAYLOAD)),
        (f"<!--1699359302000-->\n[例题]({URL})\n------", ("例题", URL, "")),
        (PLAIN + "\n第二行\n", ("例题", URL, f"{PAYLOAD}\n\n第二行")),
        (PLAIN + PLAIN, ("例题", URL, f"{PAYLOAD}\n{PLAIN.strip()}")),
    ],
)
def test_spellings_of_a_document(text: str, expected: tuple[str, str, str]) -> None:
    document = read_document(text)
    assert (document.title, document.url, document.payload) == expected
    assert document.feed_date == "2023-11-07T12:15:02Z"


@pytest.mark.parametrize("millis", ["0", "999999999999999", "1"])
def test_a_time_outside_the_archive_is_unknown(millis: str) -> None:
    assert read_document(PLAIN.replace("1699359302000", millis)).feed_date is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "例题",
        PAYLOAD,
        FRONT,
        PLAIN.replace("<!--1699359302000-->\n", ""),
        PLAIN.replace("------", ""),
        PLAIN.replace("1699359302000", "yesterday"),
        PLAIN.replace("1699359302000", "1" * 16),
        PLAIN.replace("[例题]", "例题"),
        PLAIN.replace("\n[", " ["),
        f"> {PLAIN}",
    ],
)
def test_what_has_no_head_is_no_document(text: str) -> None:
    with pytest.raises(NotADocument) as caught:
        read_document(text)
    assert "\n" not in str(caught.value)


@given(
    st.text(st.characters())
    | st.lists(st.sampled_from(["<!--", "1", "-->", "\n", "\r", "[", "](", ")", "---", " "])).map("".join)
)  # fmt: skip
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        document = read_document(text)
    except NotADocument:
        return
    assert "\n" not in document.title + document.url
    assert document.payload == document.payload.strip()
