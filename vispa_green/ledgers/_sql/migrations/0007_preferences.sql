-- What each user wants of the mails he gets: what he said last.
CREATE TABLE preference (
    "user"   TEXT    PRIMARY KEY,
    language TEXT    NOT NULL,               -- empty: that of the site
    weekly   INTEGER NOT NULL,               -- 1: a mail each week, 0: none
    said_us  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
