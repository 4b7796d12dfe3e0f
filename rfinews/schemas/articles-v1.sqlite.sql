-- Articles of rfinews in SQLite, schema_version 1. Names and meaning of the columns are those of the
-- record (article-v1.json). Dates are ISO 8601 in UTC, lists are JSON; empty lists are [].

-- The latest revision of each article; change = 'retracted': its page is gone.
CREATE TABLE articles (
    number INTEGER PRIMARY KEY,  -- of this database alone: the rowid in articles_search
    schema_version INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    canonical_url TEXT NOT NULL,
    url TEXT NOT NULL,
    revision INTEGER NOT NULL,
    change TEXT NOT NULL,
    edition TEXT NOT NULL,
    in_language TEXT NOT NULL,
    section TEXT,
    "column" TEXT,
    headline TEXT NOT NULL,
    description TEXT,
    article_body TEXT NOT NULL,
    article_body_html TEXT NOT NULL,
    copyright_notice TEXT,
    authors TEXT NOT NULL,
    keywords TEXT NOT NULL,
    images TEXT NOT NULL,
    audios TEXT NOT NULL,
    videos TEXT NOT NULL,
    alternates TEXT NOT NULL,
    date_published TEXT,
    date_modified TEXT,
    feed_date TEXT,
    source TEXT NOT NULL,
    feed_url TEXT,
    content_hash TEXT NOT NULL,
    crawled_at TEXT NOT NULL,
    crawl_id TEXT NOT NULL
);
CREATE INDEX articles_by_date ON articles (date_published);
CREATE INDEX articles_by_edition ON articles (edition, date_published);

-- Earlier revisions of the same articles.
CREATE TABLE superseded (
    schema_version INTEGER NOT NULL,
    id TEXT NOT NULL,
    canonical_url TEXT NOT NULL,
    url TEXT NOT NULL,
    revision INTEGER NOT NULL,
    change TEXT NOT NULL,
    edition TEXT NOT NULL,
    in_language TEXT NOT NULL,
    section TEXT,
    "column" TEXT,
    headline TEXT NOT NULL,
    description TEXT,
    article_body TEXT NOT NULL,
    article_body_html TEXT NOT NULL,
    copyright_notice TEXT,
    authors TEXT NOT NULL,
    keywords TEXT NOT NULL,
    images TEXT NOT NULL,
    audios TEXT NOT NULL,
    videos TEXT NOT NULL,
    alternates TEXT NOT NULL,
    date_published TEXT,
    date_modified TEXT,
    feed_date TEXT,
    source TEXT NOT NULL,
    feed_url TEXT,
    content_hash TEXT NOT NULL,
    crawled_at TEXT NOT NULL,
    crawl_id TEXT NOT NULL,
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
    article TEXT NOT NULL REFERENCES articles (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (article, position)
) WITHOUT ROWID;
CREATE TABLE keywords (
    article TEXT NOT NULL REFERENCES articles (id),
    position INTEGER NOT NULL,
    keyword TEXT NOT NULL,
    PRIMARY KEY (article, position)
) WITHOUT ROWID;
CREATE TABLE images (
    article TEXT NOT NULL REFERENCES articles (id),
    position INTEGER NOT NULL,
    url TEXT NOT NULL,
    caption TEXT,
    credit TEXT,
    width INTEGER,
    height INTEGER,
    PRIMARY KEY (article, position)
) WITHOUT ROWID;
CREATE TABLE audios (
    article TEXT NOT NULL REFERENCES articles (id),
    position INTEGER NOT NULL,
    url TEXT NOT NULL,
    name TEXT,
    duration INTEGER,
    PRIMARY KEY (article, position)
) WITHOUT ROWID;
CREATE TABLE videos (
    article TEXT NOT NULL REFERENCES articles (id),
    position INTEGER NOT NULL,
    url TEXT NOT NULL,
    name TEXT,
    duration INTEGER,
    PRIMARY KEY (article, position)
) WITHOUT ROWID;
CREATE TABLE alternates (
    article TEXT NOT NULL REFERENCES articles (id),
    position INTEGER NOT NULL,
    in_language TEXT NOT NULL,
    url TEXT NOT NULL,
    PRIMARY KEY (article, position)
) WITHOUT ROWID;
CREATE INDEX keywords_by_keyword ON keywords (keyword);
CREATE INDEX authors_by_name ON authors (name);

-- Crawls, from their manifests; `manifest` is the whole of it.
CREATE TABLE crawls (
    crawl_id TEXT NOT NULL PRIMARY KEY,
    spider TEXT NOT NULL,
    arguments TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    exported INTEGER NOT NULL,
    outcomes TEXT NOT NULL,
    files TEXT NOT NULL,
    manifest TEXT NOT NULL
);

-- Words of headline, description and article_body, as rfinews.load.search cuts them: a Chinese character
-- is a word, '"台 湾"' a phrase. Rows are added and removed by the loader.
CREATE VIRTUAL TABLE articles_search USING fts5 (
    headline, description, article_body,
    content = '', tokenize = "unicode61 remove_diacritics 2 categories 'L* N* M* Co'"
);
