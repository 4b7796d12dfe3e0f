import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfinews.editions import EDITIONS
from rfinews.markup import decode_references, plain
from rfinews.parsers.headline import split_title

CN = "https://www.rfi.fr/cn"
DATED = f"{CN}/国际/20231107-不相干"


@pytest.mark.parametrize(
    ("title", "url", "headline", "column"),
    [
        ("例题", DATED, "例题", None),
        # the site
        ("例题 – 法国国际广播电台 - RFI", DATED, "例题", None),
        ("例题 - RFI", DATED, "例题", None),
        ("例题 - rfi", DATED, "例题", None),
        ("例题 — RFI — RFI", DATED, "例题", None),
        ("例题 | RFI", DATED, "例题", None),
        ("例题 - 法广", DATED, "例题", None),
        ("Un exemple - RFI", "https://www.rfi.fr/fr/europe/20231107-a", "Un exemple", None),
        ("An example - RFI English", "https://www.rfi.fr/en/20231107-a", "An example", None),
        ("RFI - 例题", DATED, "RFI - 例题", None),
        ("例题-RFI", DATED, "例题-RFI", None),
        ("RFI", DATED, "RFI", None),
        ("- RFI", DATED, "- RFI", None),
        # a column that the edition knows
        ("例题 - 要闻解说", DATED, "例题", "要闻解说"),
        ("例题 – 公民论坛 – 法国国际广播电台 - RFI", DATED, "例题", "公民论坛"),
        ("甲 - 乙 - 法国世界报", DATED, "甲 - 乙", "法国世界报"),
        (
            "新闻 - 第一次播音 北京时间 06:00-07:00",
            DATED,
            "新闻",
            "第一次播音 北京时间 06:00-07:00",
        ),
        ("例题-要闻解说", DATED, "例题-要闻解说", None),
        (
            "例题 - 要闻解说 - RFI",
            "https://www.rfi.fr/fr/europe/20231107-a",
            "例题 - 要闻解说",
            None,
        ),
        # a column that the address names
        ("例题 - 观点", f"{CN}/专栏检索/观点/20231107-不相干", "例题", "观点"),
        (
            "例题 - Grand Reportage",
            "https://www.rfi.fr/fr/podcasts/grand-reportage/20231107-a",
            "例题",
            "Grand Reportage",
        ),
        ("例题 - ！", f"{CN}/不相干", "例题 - ！", None),
        # a column that the slug leaves out
        ("一、二 - 新栏目", f"{CN}/国际/20231107-一-二", "一、二", "新栏目"),
        ("甲 - 乙", f"{CN}/国际/20231107-甲-乙", "甲 - 乙", None),
        # a dash in a genuine title
        ("甲乙 - 丙丁", DATED, "甲乙 - 丙丁", None),
        ("甲——乙", DATED, "甲——乙", None),
        ("法国-德国", DATED, "法国-德国", None),
        # blanks and references
        ("  例\u3000题\xa0 \n 二\u200b ", DATED, "例 题 二", None),
        ("&amp;#22338; &quot;甲&quot; &amp;amp; 乙 - RFI", DATED, '坂 "甲" & 乙', None),
        ("例题&nbsp;- 要闻解说", DATED, "例题", "要闻解说"),
        ("", DATED, "", None),
        ("例题 - RFI", "https://example.com/a", "例题 - RFI", None),
    ],
)
def test_titles(title: str, url: str, headline: str, column: str | None) -> None:
    assert split_title(title, url) == (headline, column)


@pytest.mark.parametrize("edition", EDITIONS.values(), ids=EDITIONS)
def test_every_edition_knows_its_site_and_its_columns(edition: object) -> None:
    url = f"https://{edition.host}/{edition.code}/contenu/20231107-a"
    for site in edition.site_names:
        assert split_title(f"Title – {site}", url) == ("Title", None)
    for column in edition.columns:
        assert split_title(f"Title - {column} - RFI", url) == ("Title", column)


@given(
    st.text() | st.lists(st.sampled_from(["甲", " - ", " – ", "RFI", "要闻解说", "&amp;", " "])).map("".join),
    st.sampled_from([DATED, f"{CN}/甲", f"{CN}/专栏检索/甲/20231107-乙", "", "x"]),
)  # fmt: skip
def test_nothing_but_suffixes_is_taken_away(title: str, url: str) -> None:
    headline, column = split_title(title, url)
    whole = plain(decode_references(title))
    assert whole.startswith(headline)
    assert column is None or column in whole[len(headline) :]
    assert plain(headline) == headline
    assert bool(headline) == bool(whole)
