#!/bin/sh
# First start: make the cluster and the shop's user. Then run the server as the user postgres.
set -eu
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1):$PATH

install -d -o postgres -g postgres -m 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  install -o postgres -m 600 /run/secrets/db_password /tmp/password
  as_postgres initdb --username="$POSTGRES_USER" --pwfile=/tmp/password \
    --auth-local=trust --auth-host=scram-sha-256 --no-sync -D "$PGDATA" > /tmp/initdb.log
  rm /tmp/password
  # as the official image does: a server on a socket alone, until the database is made
  as_postgres pg_ctl -D "$PGDATA" -w -o "-c listen_addresses='' -k /tmp" start > /dev/null
  as_postgres createdb -h /tmp -U "$POSTGRES_USER" "$POSTGRES_USER"
  as_postgres pg_ctl -D "$PGDATA" -m fast -w stop > /dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
fi
exec setpriv --reuid postgres --regid postgres --init-groups \
  postgres -D "$PGDATA" -c listen_addresses='*' -k /tmp
