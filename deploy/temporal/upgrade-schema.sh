#!/bin/sh
# Brings both of Temporal's databases to the schema of this image's server. Nothing happens if they are there already.
set -eu

SQL_PASSWORD=$(cat /run/secrets/temporal_password)
export SQL_PASSWORD SQL_PLUGIN=postgres12 SQL_HOST="$POSTGRES_SEEDS" SQL_PORT="$DB_PORT" SQL_USER=temporal

for pair in temporal:temporal temporal_visibility:visibility; do
    export SQL_DATABASE="${pair%%:*}"
    # A database that has a schema already refuses a first one, and takes what is newer.
    temporal-sql-tool setup-schema --version 0.0 || true
    temporal-sql-tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/${pair#*:}/versioned"
done
