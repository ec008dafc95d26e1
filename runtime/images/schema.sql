-- Images. Executed together with runtime/state/schema.sql; every table starts with image_.
-- A row is a fact: it is written after its files are complete and on the disk (R29).

-- A blob as it was received: manifest, config or layer; lies in images/blobs/sha256/HEX.
-- `registry` and `repository` say where it is known to be, so that a push can mount it there.
CREATE TABLE image_blob_place (
    digest     TEXT NOT NULL,
    registry   TEXT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, registry, repository)
);

-- A layer unpacked into images/layers/FOLDER. `chain_id` is empty where any layers may lie below; it stands where
-- unpacking depended on them (a folder on the way that the archive leaves out).
CREATE TABLE image_layer (
    folder   TEXT PRIMARY KEY,
    diff_id  TEXT NOT NULL,
    chain_id TEXT NOT NULL DEFAULT '',
    size     INTEGER NOT NULL,
    entries  INTEGER NOT NULL,
    added_at REAL NOT NULL,
    UNIQUE (diff_id, chain_id)
);

-- An image for one platform. `id` is the digest of its config, `config` its ImageConfig as JSON, `layers` the
-- folders, lowest first, `blobs` the digests of everything that it is saved and pushed from.
CREATE TABLE image (
    id              TEXT PRIMARY KEY,
    manifest_digest TEXT NOT NULL,
    config          TEXT NOT NULL,
    layers          TEXT NOT NULL,
    blobs           TEXT NOT NULL,
    size            INTEGER NOT NULL,
    created_at      REAL NOT NULL,
    added_at        REAL NOT NULL
);

-- A tag in canonical form (`docker.io/library/nginx:1.27`). `pulled_at` is NULL for what was made or loaded here.
CREATE TABLE image_tag (
    name      TEXT PRIMARY KEY,
    image_id  TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    pulled_at REAL
);
CREATE INDEX image_tag_of_image ON image_tag (image_id);

-- The digest under which a repository knows the image: that of its index, or of its manifest.
CREATE TABLE image_digest (
    repository TEXT NOT NULL,
    digest     TEXT NOT NULL,
    image_id   TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest, image_id)
);
CREATE INDEX image_digest_of_image ON image_digest (image_id);
