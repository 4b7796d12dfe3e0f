-- Articles of rfinews in DuckDB, schema_version 1. Names and meaning of the columns are those of the
-- record (article-v1.json). No keys: what is unique is seen to by the loader, in its transaction.

-- The latest revision of each article; change = 'retracted': its page is gone.
CREATE TABLE articles (
    schema_version BIGINT NOT NULL,
    id VARCHAR NOT NULL,
    canonical_url VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    change VARCHAR NOT NULL,
    edition VARCHAR NOT NULL,
    in_language VARCHAR NOT NULL,
    section VARCHAR,
    "column" VARCHAR,
    headline VARCHAR NOT NULL,
    description VARCHAR,
    article_body VARCHAR NOT NULL,
    article_body_html VARCHAR NOT NULL,
    copyright_notice VARCHAR,
    authors VARCHAR[] NOT NULL,
    keywords VARCHAR[] NOT NULL,
    images STRUCT(url VARCHAR, caption VARCHAR, credit VARCHAR, width BIGINT, height BIGINT)[] NOT NULL,
    audios STRUCT(url VARCHAR, name VARCHAR, duration BIGINT)[] NOT NULL,
    videos STRUCT(url VARCHAR, name VARCHAR, duration BIGINT)[] NOT NULL,
    alternates STRUCT(in_language VARCHAR, url VARCHAR)[] NOT NULL,
    date_published TIMESTAMPTZ,
    date_modified TIMESTAMPTZ,
    feed_date TIMESTAMPTZ,
    source VARCHAR NOT NULL,
    feed_url VARCHAR,
    content_hash VARCHAR NOT NULL,
    crawled_at TIMESTAMPTZ NOT NULL,
    crawl_id VARCHAR NOT NULL
);

-- Earlier revisions of the same articles.
CREATE TABLE superseded (
    schema_version BIGINT NOT NULL,
    id VARCHAR NOT NULL,
    canonical_url VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    change VARCHAR NOT NULL,
    edition VARCHAR NOT NULL,
    in_language VARCHAR NOT NULL,
    section VARCHAR,
    "column" VARCHAR,
    headline VARCHAR NOT NULL,
    description VARCHAR,
    article_body VARCHAR NOT NULL,
    article_body_html VARCHAR NOT NULL,
    copyright_notice VARCHAR,
    authors VARCHAR[] NOT NULL,
    keywords VARCHAR[] NOT NULL,
    images STRUCT(url VARCHAR, caption VARCHAR, credit VARCHAR, width BIGINT, height BIGINT)[] NOT NULL,
    audios STRUCT(url VARCHAR, name VARCHAR, duration BIGINT)[] NOT NULL,
    videos STRUCT(url VARCHAR, name VARCHAR, duration BIGINT)[] NOT NULL,
    alternates STRUCT(in_language VARCHAR, url VARCHAR)[] NOT NULL,
    date_published TIMESTAMPTZ,
    date_modified TIMESTAMPTZ,
    feed_date TIMESTAMPTZ,
    source VARCHAR NOT NULL,
    feed_url VARCHAR,
    content_hash VARCHAR NOT NULL,
    crawled_at TIMESTAMPTZ NOT NULL,
    crawl_id VARCHAR NOT NULL
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
    article VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    name VARCHAR NOT NULL
);
CREATE TABLE keywords (
    article VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    keyword VARCHAR NOT NULL
);
CREATE TABLE images (
    article VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    url VARCHAR NOT NULL,
    caption VARCHAR,
    credit VARCHAR,
    width BIGINT,
    height BIGINT
);
CREATE TABLE audios (
    article VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    url VARCHAR NOT NULL,
    name VARCHAR,
    duration BIGINT
);
CREATE TABLE videos (
    article VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    url VARCHAR NOT NULL,
    name VARCHAR,
    duration BIGINT
);
CREATE TABLE alternates (
    article VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    in_language VARCHAR NOT NULL,
    url VARCHAR NOT NULL
);

-- Crawls, from their manifests; `manifest` is the whole of it.
CREATE TABLE crawls (
    crawl_id VARCHAR NOT NULL,
    spider VARCHAR NOT NULL,
    arguments JSON NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    finish_reason VARCHAR NOT NULL,
    exported BIGINT NOT NULL,
    outcomes JSON NOT NULL,
    files JSON NOT NULL,
    manifest JSON NOT NULL
);

-- Articles in which all parts of the query between blanks stand, without regard to case and accents:
--   SELECT headline FROM search_articles('台湾 总统');
CREATE MACRO search_fold(some_text) AS lower(strip_accents(nfc_normalize(some_text)));
CREATE MACRO search_articles(query) AS TABLE
SELECT articles.*
FROM articles
WHERE len(regexp_split_to_array(trim(search_fold(query)), '\s+')) > 0 AND list_bool_and(
    list_transform(
        regexp_split_to_array(trim(search_fold(query)), '\s+'),
        lambda part: contains(
            search_fold(concat_ws(' ', headline, description, article_body)), part
        )
    )
);
