-- Articles of rfinews in PostgreSQL, schema_version 1. Names and meaning of the columns are those of the
-- record (article-v1.json). Lists are jsonb; texts compare by code point, whatever the database's locale.

-- The latest revision of each article; change = 'retracted': its page is gone.
CREATE TABLE articles (
    schema_version bigint NOT NULL,
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    canonical_url text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    change text COLLATE "C" NOT NULL,
    edition text COLLATE "C" NOT NULL,
    in_language text COLLATE "C" NOT NULL,
    section text COLLATE "C",
    "column" text COLLATE "C",
    headline text COLLATE "C" NOT NULL,
    description text COLLATE "C",
    article_body text COLLATE "C" NOT NULL,
    article_body_html text COLLATE "C" NOT NULL,
    copyright_notice text COLLATE "C",
    authors jsonb NOT NULL,
    keywords jsonb NOT NULL,
    images jsonb NOT NULL,
    audios jsonb NOT NULL,
    videos jsonb NOT NULL,
    alternates jsonb NOT NULL,
    date_published timestamptz,
    date_modified timestamptz,
    feed_date timestamptz,
    source text COLLATE "C" NOT NULL,
    feed_url text COLLATE "C",
    content_hash text COLLATE "C" NOT NULL,
    crawled_at timestamptz NOT NULL,
    crawl_id text COLLATE "C" NOT NULL,
    search tsvector  -- the words of headline, description and article_body
);
CREATE INDEX articles_by_date ON articles (date_published);
CREATE INDEX articles_by_edition ON articles (edition, date_published);

-- Earlier revisions of the same articles.
CREATE TABLE superseded (
    schema_version bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    canonical_url text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    change text COLLATE "C" NOT NULL,
    edition text COLLATE "C" NOT NULL,
    in_language text COLLATE "C" NOT NULL,
    section text COLLATE "C",
    "column" text COLLATE "C",
    headline text COLLATE "C" NOT NULL,
    description text COLLATE "C",
    article_body text COLLATE "C" NOT NULL,
    article_body_html text COLLATE "C" NOT NULL,
    copyright_notice text COLLATE "C",
    authors jsonb NOT NULL,
    keywords jsonb NOT NULL,
    images jsonb NOT NULL,
    audios jsonb NOT NULL,
    videos jsonb NOT NULL,
    alternates jsonb NOT NULL,
    date_published timestamptz,
    date_modified timestamptz,
    feed_date timestamptz,
    source text COLLATE "C" NOT NULL,
    feed_url text COLLATE "C",
    content_hash text COLLATE "C" NOT NULL,
    crawled_at timestamptz NOT NULL,
    crawl_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (id, revision)
);

-- Every revision of every article.
CREATE VIEW revisions AS
SELECT
    schema_version, id, canonical_url, url, revision, change, edition, in_language, section,
    "column", headline, description, article_body, article_body_html, copyright_notice,
    authors, keywords, images, audios, videos, alternates, date_published, date_modified,
    feed_date, source, feed_url, content_hash, crawled_at, crawl_id
FROM articles
UNION ALL
SELECT
    schema_version, id, canonical_url, url, revision, change, edition, in_language, section,
    "column", headline, description, article_body, article_body_html, copyright_notice,
    authors, keywords, images, audios, videos, alternates, date_published, date_modified,
    feed_date, source, feed_url, content_hash, crawled_at, crawl_id
FROM superseded;

-- The lists of the latest revisions, one row an entry; `article` is articles.id, positions count from 0.
CREATE TABLE authors (
    article text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (article, position)
);
CREATE TABLE keywords (
    article text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    keyword text COLLATE "C" NOT NULL,
    PRIMARY KEY (article, position)
);
CREATE TABLE images (
    article text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    url text COLLATE "C" NOT NULL,
    caption text COLLATE "C",
    credit text COLLATE "C",
    width bigint,
    height bigint,
    PRIMARY KEY (article, position)
);
CREATE TABLE audios (
    article text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    url text COLLATE "C" NOT NULL,
    name text COLLATE "C",
    duration bigint,
    PRIMARY KEY (article, position)
);
CREATE TABLE videos (
    article text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    url text COLLATE "C" NOT NULL,
    name text COLLATE "C",
    duration bigint,
    PRIMARY KEY (article, position)
);
CREATE TABLE alternates (
    article text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    in_language text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL,
    PRIMARY KEY (article, position)
);
CREATE INDEX keywords_by_keyword ON keywords (keyword);
CREATE INDEX authors_by_name ON authors (name);

-- Crawls, from their manifests; `manifest` is the whole of it.
CREATE TABLE crawls (
    crawl_id text COLLATE "C" NOT NULL PRIMARY KEY,
    spider text COLLATE "C" NOT NULL,
    arguments jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    finish_reason text COLLATE "C" NOT NULL,
    exported bigint NOT NULL,
    outcomes jsonb NOT NULL,
    files jsonb NOT NULL,
    manifest jsonb NOT NULL
);

CREATE INDEX articles_by_word ON articles USING gin (search);

-- What to look for in articles.search: every part of the query between blanks, each as a phrase.
--   SELECT headline FROM articles WHERE search @@ search_query('台湾 总统');
-- Letters and signs are spelt out, so it does not depend on the database's locale.
CREATE FUNCTION search_query(query text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    WITH folded AS (  -- without accents, vowel signs and capitals
        SELECT nr, normalize(replace(translate(
            regexp_replace(normalize(part, NFKD), '[\u0300-\u036f\u0640\u064b-\u065f\u0670]', '', 'g'),
            'يكۀەẞ'
            'ABCDEFGHIJKLMNOPQRSTUVWXYZÆÐØÞĐĦŁŊŒŦƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƢƤƦƧƩƬƮƱƲƳƵƷƸƼǤǶǷȜȠȢ'
            'ȤȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩςϏϘϚϜϞϠϢϤϦϨϪϬϮϷϺϽϾϿЂЄЅІЈЉЊЋЏАБВГДЕ'
            'ЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӃӅӇӉӋӍӔ'
            'ӘӠӨӶӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖỺỼỾ',
            'یکههß'
            'abcdefghijklmnopqrstuvwxyzæðøþđħłŋœŧɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵƣƥʀƨʃƭʈʊʋƴƶʒƹƽǥƕƿȝƞȣ'
            'ȥⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳαβγδεζηθικλμνξοπρστυφχψωσϗϙϛϝϟϡϣϥϧϩϫϭϯϸϻͻͼͽђєѕіјљњћџабвгде'
            'жзиклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӄӆӈӊӌӎӕ'
            'әӡөӷӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆỻỽỿ'
        ), 'ß', 'ss'), NFC) AS part
        FROM regexp_split_to_table(
            query, '[\s\u001c-\u001f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+'
        ) WITH ORDINALITY AS t (part, nr)
    ), parts AS (
        SELECT nr, regexp_replace(
            part,  -- all that is neither letter nor digit
            '[\u0001-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u00bf\u00d7\u00f7'
            '\u02c2-\u02c5\u02d2-\u02eb\u02ed\u02ef-\u036f\u0375\u03f6\u0482-\u0489'
            '\u055a-\u055f\u0589-\u05c7\u05f3-\u061f\u0640\u064b-\u065f\u066a-\u066d\u0670'
            '\u06d4\u06d6-\u06e4\u06e7-\u06ed\u06fd-\u06fe\u0700-\u070f\u0711\u0730-\u074a'
            '\u07a6-\u07b0\u07eb-\u07f3\u07f6-\u07f9\u07fd-\u07ff\u0816-\u0819\u081b-\u0823'
            '\u0825-\u0827\u0829-\u083e\u0859-\u085e\u0e3f\u0e4f\u0e5a-\u0e5b\u104a-\u104f'
            '\u109e-\u109f\u17d4-\u17d6\u17d8-\u17db\u200b-\u212e\u213a-\u214d\u214f'
            '\u218a-\u244a\u2500-\u2775\u2794-\u2bff\u2ce5-\u2cea\u2cef-\u2cf1\u2cf9-\u2cfc'
            '\u2cfe-\u2cff\u2d70-\u2d7f\u2de0-\u2e2e\u2e30-\u3004\u3008-\u3020\u302a-\u3030'
            '\u3037\u303d-\u303f\u3099-\u309a\u30a0\u30fb\u3190-\u3191\u31c0-\u31e3\u327f'
            '\u4dc0-\u4dff\ufb1e-\ufe46\ufeff-\ufffd\U0001f10d-\U0001fbca]+',
            ' ', 'g'
        ) AS part
        FROM folded
    ), words AS (
        SELECT parts.nr AS part, t.nr, left(word, 255) AS word
        FROM parts, regexp_split_to_table(
            regexp_replace(
                regexp_replace(part, '([\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])', ' \1 ', 'g'),
                '([\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e81-\u0eff\u1000-\u1049\u1050-\u109d\u1780-\u17d3\u17dd]'  -- a cluster of Thai, Lao, Burmese, Khmer
                '(?:\u17d2[\u1780-\u17b3]|\u1039[\u1000-\u102a]'
                '|[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece'
                '\u102b-\u103e\u1056-\u1060\u17b4-\u17d1\u17d3\u17dd])*)',
                ' \1 ', 'g'
            ),
            ' +'
        ) WITH ORDINALITY AS t (word, nr)
        WHERE word <> ''
    ), pairs AS (
        SELECT part, nr, word, lead(word) OVER (PARTITION BY part ORDER BY nr) AS next FROM words
    ), phrases AS (  -- long texts have pairs of words instead of places
        SELECT part, string_agg('''' || word || '''', ' <-> ' ORDER BY nr)
            || coalesce(' | ' || string_agg('''' || word || ' ' || next || '''', ' & ' ORDER BY nr), '')
            AS phrase
        FROM pairs GROUP BY part
    )
    SELECT coalesce(string_agg('(' || phrase || ')', ' & ' ORDER BY part), '')::tsquery FROM phrases
$$;
