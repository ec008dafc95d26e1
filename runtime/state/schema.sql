-- What exists, one database per root. Options and configs are JSON as runtime/codec.py writes it.
-- Run state (pids, health, exit codes) is not here: it lies in the run root, so that a reboot forgets it.

CREATE TABLE project (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    folder     TEXT NOT NULL,
    files      TEXT NOT NULL DEFAULT '[]',
    created_at REAL NOT NULL
);

CREATE TABLE container (
    id                TEXT PRIMARY KEY,
    project_id        TEXT NOT NULL REFERENCES project (id),
    name              TEXT NOT NULL UNIQUE,
    service           TEXT NOT NULL,
    options           TEXT NOT NULL,
    image             TEXT NOT NULL,
    image_id          TEXT NOT NULL,
    anonymous_volumes TEXT NOT NULL DEFAULT '{}',
    desired           TEXT NOT NULL DEFAULT 'created',
    created_at        REAL NOT NULL,
    -- intention first: 'creating PID START' until its files stand, then 'there', 'removing PID START' before they go
    phase             TEXT NOT NULL DEFAULT 'creating'
);
CREATE INDEX container_of_project ON container (project_id);

CREATE TABLE network (
    id           TEXT PRIMARY KEY,
    -- empty: made by `network create`, shared
    project_id   TEXT NOT NULL DEFAULT '',
    name         TEXT NOT NULL UNIQUE,
    options      TEXT NOT NULL,
    bridge       TEXT NOT NULL UNIQUE,
    subnet       TEXT NOT NULL,
    gateway      TEXT NOT NULL,
    subnet_ipv6  TEXT NOT NULL DEFAULT '',
    gateway_ipv6 TEXT NOT NULL DEFAULT '',
    created_at   REAL NOT NULL
);

-- An address that a container has on a network: given at its start, kept over restarts, freed when it is removed.
CREATE TABLE endpoint (
    network_id   TEXT NOT NULL REFERENCES network (id),
    container_id TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
    ipv4         TEXT NOT NULL DEFAULT '',
    ipv6         TEXT NOT NULL DEFAULT '',
    mac          TEXT NOT NULL DEFAULT '',
    -- kernel name of the host's end while the container runs
    link         TEXT NOT NULL DEFAULT '',
    names        TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (network_id, container_id)
);
CREATE UNIQUE INDEX endpoint_ipv4 ON endpoint (network_id, ipv4) WHERE ipv4 != '';
CREATE INDEX endpoint_of_container ON endpoint (container_id);

CREATE TABLE volume (
    name       TEXT PRIMARY KEY,
    project_id TEXT NOT NULL DEFAULT '',
    options    TEXT NOT NULL,
    path       TEXT NOT NULL,
    created_at REAL NOT NULL
);

CREATE TABLE volume_use (
    volume       TEXT NOT NULL REFERENCES volume (name),
    container_id TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
    PRIMARY KEY (volume, container_id)
);

CREATE TABLE event (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    time       REAL NOT NULL,
    project_id TEXT NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX event_of_project ON event (project_id, time);
