import unicodedata

import pytest

from rfinews.editions import EDITIONS, OUTLET_NAMES, Edition

LANGUAGES = {
    "cn": "zh-Hans", "tw": "zh-Hant", "fr": "fr", "en": "en", "es": "es", "pt": "pt",
    "br": "pt-BR", "ru": "ru", "fa": "fa", "vi": "vi", "km": "km", "sw": "sw", "ha": "ha",
    "uk": "uk", "ff": "ff", "ma": "bm", "ro": "ro",
}  # fmt: skip

every_edition = pytest.mark.parametrize("edition", EDITIONS.values(), ids=EDITIONS.keys())


def test_editions_and_their_languages() -> None:
    assert {code: edition.language for code, edition in EDITIONS.items()} == LANGUAGES


@every_edition
def test_a_row_says_what_every_parser_needs(edition: Edition) -> None:
    assert edition.ad_labels
    assert edition.share_labels
    assert edition.byline_labels
    assert {"RFI", "Radio France Internationale"} <= set(edition.site_names) <= OUTLET_NAMES


@every_edition
def test_words_stand_as_parsers_compare_them(edition: Edition) -> None:
    words = (
        *edition.ad_labels,
        *edition.share_labels,
        *edition.byline_labels,
        *edition.site_names,
        *edition.author_words,
        *edition.columns,
        *edition.pages,
    )
    for word in words:
        assert word == " ".join(word.split())
        assert word == word.strip(":： ")
        assert unicodedata.is_normalized("NFC", word)


def test_no_host_belongs_to_two_editions() -> None:
    hosts = [host for edition in EDITIONS.values() for host in edition.legacy_hosts]
    assert len(hosts) == len(set(hosts))
    assert all(host.endswith(".rfi.fr") for host in hosts)
