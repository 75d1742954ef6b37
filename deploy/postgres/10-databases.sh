#!/bin/sh
# Two databases that never share an account. The record's owner changes the schema; processes only read and write
# (docs/operations.md, "Database roles"). PostgreSQL's image runs this once, when its volume is empty; for another
# server, SECRETS names the folder of secrets, and psql's own variables (PGHOST, PGUSER ...) name server and superuser.
set -eu

secrets=${SECRETS:-/run/secrets}

psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="${PGUSER:-${POSTGRES_USER:-postgres}}" --dbname=postgres \
    --set=owner="$(cat "$secrets/laurel_owner_password")" \
    --set=process="$(cat "$secrets/laurel_process_password")" \
    --set=temporal="$(cat "$secrets/temporal_password")" <<'SQL'
CREATE ROLE laurel_app NOLOGIN;
CREATE ROLE laurel_owner LOGIN PASSWORD :'owner';
CREATE ROLE laurel_process LOGIN PASSWORD :'process' IN ROLE laurel_app;
CREATE ROLE temporal LOGIN PASSWORD :'temporal';
CREATE DATABASE laurel OWNER laurel_owner;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE laurel, temporal, temporal_visibility FROM PUBLIC;
GRANT CONNECT ON DATABASE laurel TO laurel_owner, laurel_process;
SQL
