package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// How long a login or an answer may take.
const patience = 5 * time.Second

// lockKeys name the lock under which a schema is worked on. PostgreSQL keeps such locks per database, and lets go of
// them when the connection ends. The charm asks for the same numbers in pg_locks ("TEMP", "SCHM").
const lockKeys = "1413827920, 1396918349"

// What connections call themselves: those that look or hold the lock, and those that change something under it.
const (
	looking  = "temporal-schema"
	changing = "temporal-schema-run"
)

// atWork asks whether anybody works on the schema of this database: who has the lock, or a session that PostgreSQL has
// not ended yet, although its client is gone, since it is in the middle of a statement.
const atWork = `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted
	AND (classid, objid) = (1413827920, 1396918349)
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
	OR EXISTS (SELECT FROM pg_stat_activity WHERE ` + changingHere + ")"

const changingHere = "datname = current_database() AND usename = session_user AND application_name = '" + changing + "'"

// serving asks whether anybody but the charms uses this database with this login: the server does.
const serving = `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
	AND usename = session_user AND application_name NOT IN ('temporal-charm', '` + looking + "', '" + changing + "'))"

// limit asks how many connections there may be: what PostgreSQL leaves to ordinary roles, or what this role or this
// database may have where that is less. -1 is none; reserved_connections came with PostgreSQL 16. The charm computes the
// same (lib/temporal_charms/postgresql.py).
const limit = `SELECT least(
	current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
		- coalesce(current_setting('reserved_connections', true), '0')::int,
	nullif((SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user), -1),
	nullif((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1))`

// database is one of the server's databases and how to log in to it, as the charm writes it.
type database struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Name     string `json:"name"`
	User     string `json:"user"`
	Password string `json:"password"`
	TLS      bool   `json:"tls"`
	CA       string `json:"ca"`      // PEM; without it a certificate is not verified
	CAFile   string `json:"ca-file"` // the same, for tools
}

// load reads the databases by their names, "persistence" and "visibility".
func load(path string) (map[string]database, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var databases map[string]database
	err = json.Unmarshal(content, &databases)
	for name, place := range databases {
		// An address of IPv6, with brackets or without; they stand around it where a port follows.
		place.Host = strings.Trim(place.Host, "[]")
		databases[name] = place
	}
	return databases, err
}

// connect logs in, by `looking` or `changing`.
func (d database) connect(ctx context.Context, what string) (*pgconn.PgConn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// What is not set here would come from the environment.
	config, err := pgconn.ParseConfig("host=localhost user=nobody sslmode=disable target_session_attrs=any")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Database = d.Host, d.Port, d.Name
	config.User, config.Password = d.User, d.Password
	config.Fallbacks, config.RuntimeParams = nil, map[string]string{"application_name": what}
	if d.TLS {
		config.TLSConfig = &tls.Config{ServerName: d.Host, InsecureSkipVerify: d.CA == ""}
		if d.CA != "" {
			config.TLSConfig.RootCAs = x509.NewCertPool()
			if !config.TLSConfig.RootCAs.AppendCertsFromPEM([]byte(d.CA)) {
				return nil, fmt.Errorf("the authority of %s is no certificate", d.Host)
			}
		}
	}
	if !d.TLS {
		// As the server: where TLS is offered, it is taken.
		config.TLSConfig = &tls.Config{ServerName: d.Host, InsecureSkipVerify: true}
		config.Fallbacks = []*pgconn.FallbackConfig{{Host: d.Host, Port: d.Port}}
	}
	return pgconn.ConnectConfig(ctx, config)
}

// ask runs statements, separated by semicolons, and returns the first value of each one's first row.
func ask(ctx context.Context, connection *pgconn.PgConn, statements string) ([]string, error) {
	results, err := connection.Exec(ctx, statements).ReadAll()
	var values []string
	for _, result := range results {
		value := ""
		if len(result.Rows) > 0 && len(result.Rows[0]) > 0 {
			value = string(result.Rows[0][0])
		}
		values = append(values, value)
	}
	return values, err
}

// quick is ask for what PostgreSQL answers at once.
func quick(ctx context.Context, connection *pgconn.PgConn, statements string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return ask(ctx, connection, statements)
}

// quote makes a string of SQL.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// closeConnection ends a connection whatever state it is in.
func closeConnection(connection *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = connection.Close(ctx)
}

// sqlstate is the code of PostgreSQL's own errors; empty for others.
func sqlstate(err error) string {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}
