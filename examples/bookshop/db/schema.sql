-- The shop's only table. The search needs the extension pg_trgm, see devenv.toml.
CREATE TABLE books (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL CHECK (title <> ''),
    author text NOT NULL CHECK (author <> ''),
    year integer NOT NULL,
    price numeric(6, 2) NOT NULL CHECK (price >= 0),
    stock integer NOT NULL CHECK (stock >= 0),
    words text NOT NULL GENERATED ALWAYS AS (title || ' ' || author) STORED
);

CREATE UNIQUE INDEX books_once ON books (lower(title), lower(author));
CREATE INDEX books_words ON books USING gin (words gin_trgm_ops);
