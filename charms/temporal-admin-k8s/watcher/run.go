package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// How often the connection that holds the lock is used: a firewall forgets idle ones, and without the lock the tool
	// must not go on. PostgreSQL may be slow while it is worked on.
	pulse     = 2 * time.Second
	pulseless = 30 * time.Second
	// How much of a tool's output is kept for the log.
	tail = 4 << 10
)

// nursery is where the tables of a new schema are made. temporal-sql-tool commits each statement by itself, and what it
// has dropped or inserted it cannot drop or insert again: cut off in the middle of a new schema, it fails for ever. So
// a new one is made here and moved in one transaction, and what was left behind is thrown away. The updates of a schema
// that is in use can be repeated, as far back as 1.17 of Temporal's tables and 1.9 of visibility.
const nursery = "temporal_setup"

const (
	// A lock of the transaction: one of the session would be lost behind a pooler. PostgreSQL is to notice within half
	// a minute that a machine is gone that held one.
	begin = `BEGIN;
SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN
	('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout');
SELECT set_config('tcp_keepalives_idle', '10', true), set_config('tcp_keepalives_interval', '5', true),
	set_config('tcp_keepalives_count', '3', true);
SELECT pg_try_advisory_xact_lock(` + lockKeys + `);
SELECT to_regclass('schema_version') IS NULL`

	// What a job has left that was cut off. Whose statement still runs is waited for: what it does may have taken long.
	leftBehind = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
	WHERE state <> 'active' AND ` + changingHere + `;
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND ` + changingHere + `)`

	move = `DO $$
DECLARE
	item record;
BEGIN
	FOR item IN SELECT oid::regclass AS name FROM pg_class
		WHERE relnamespace = '` + nursery + `'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
	LOOP
		EXECUTE format('ALTER TABLE %s SET SCHEMA %I', item.name, current_schema());
	END LOOP;
	FOR item IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = '` + nursery + `'::regnamespace
	LOOP
		EXECUTE format('ALTER ROUTINE %s SET SCHEMA %I', item.name, current_schema());
	END LOOP;
END $$;
DROP SCHEMA ` + nursery
	clear = "DROP SCHEMA IF EXISTS " + nursery + " CASCADE"
)

// report is what became of one database.
type report struct {
	Database string `json:"database"`
	// Status is "done", "held" by somebody else, or "failed".
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// job is the work on one database.
type job struct {
	place  database
	schema string // as the tool calls it
	tool   string
	owner  *syscall.Credential
	log    bytes.Buffer
}

var errHeld = errors.New("somebody else works on the schema")

// run does all jobs at the same time, and says on standard output what became of them.
func run(file, tool, owner string, arguments []string) (int, error) {
	places, err := load(file)
	if err != nil {
		return 0, err
	}
	credential, err := lookup(owner)
	if err != nil {
		return 0, err
	}
	jobs := make([]*job, len(arguments))
	reports := make([]report, len(arguments))
	for i, argument := range arguments {
		name, schema, _ := strings.Cut(argument, "=")
		place, found := places[name]
		if !found || schema == "" {
			return 0, fmt.Errorf("%q is not DATABASE=SCHEMA with a database of %s", argument, file)
		}
		jobs[i], reports[i].Database = &job{place: place, schema: schema, tool: tool, owner: credential}, name
	}
	var group sync.WaitGroup
	for i, job := range jobs {
		group.Go(func() {
			switch err := job.do(context.Background()); {
			case err == nil:
				reports[i].Status = "done"
			case errors.Is(err, errHeld):
				reports[i].Status, reports[i].Reason = "held", err.Error()
			default:
				reports[i].Status, reports[i].Reason = "failed", job.clean(err.Error())
			}
		})
	}
	group.Wait()
	return tell(jobs, reports), nil
}

// tell writes the reports, after all locks are gone: nobody may be there to read them.
func tell(jobs []*job, reports []report) (status int) {
	for i, report := range reports {
		if report.Status == "failed" {
			status = exitFailed
			fmt.Fprintf(os.Stderr, "%s: %s\n%s\n", report.Database, report.Reason, jobs[i].clean(jobs[i].log.String()))
		} else if report.Status == "held" && status == 0 {
			status = exitHeld
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(reports)
	return status
}

// lookup finds the user as whom tools run; nil for the one as whom this runs.
func lookup(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// do takes the lock, lets the tool work, and lets go of the lock when the tool has ended, however that came.
func (j *job) do(ctx context.Context) error {
	connection, err := j.place.connect(ctx, looking)
	if err != nil {
		return fmt.Errorf("cannot log in: %w", err)
	}
	defer closeConnection(connection)
	values, err := quick(ctx, connection, begin)
	if err != nil {
		return err
	}
	locked, fresh := values[len(values)-2] == "t", values[len(values)-1] == "t"
	if !locked {
		return errHeld
	}
	if values, err = quick(ctx, connection, leftBehind); err != nil {
		return err
	}
	if values[1] == "t" {
		return errHeld
	}
	if fresh {
		made, err := j.make(ctx, connection)
		if made {
			return err
		}
	}
	return j.update(ctx, connection)
}

// make makes a new schema beside the place where it is to be, and moves it there. Where that is not possible nothing is
// left of it, and it has to be made in place.
func (j *job) make(ctx context.Context, connection *pgconn.PgConn) (made bool, err error) {
	if err := j.aside(ctx, clear+"; CREATE SCHEMA "+nursery); err != nil {
		fmt.Fprintf(&j.log, "made in place, since no schema can be created: %v\n", err)
		return false, nil
	}
	// Temporal makes the extension where it makes its tables, and nobody but a superuser can move it afterwards.
	if strings.HasSuffix(j.schema, "/visibility") {
		err = j.aside(ctx, "CREATE EXTENSION IF NOT EXISTS btree_gin")
	}
	if err == nil {
		err = j.both(ctx, connection, "&search_path="+nursery)
	}
	if err != nil {
		j.tidy(ctx, connection)
		return true, err
	}
	// With the failure of a transaction its locks would go; with that of a part of it they stay.
	if _, err := ask(ctx, connection, "SAVEPOINT moving; "+move+"; COMMIT"); err == nil {
		return true, nil
	} else if _, err2 := quick(ctx, connection, "ROLLBACK TO moving"); err2 != nil {
		return true, err
	} else {
		fmt.Fprintf(&j.log, "made in place, since the new tables cannot be moved: %v\n", err)
	}
	j.tidy(ctx, connection)
	return false, nil
}

// tidy throws away a new schema that is of no use. Without the lock it may be somebody else's.
func (j *job) tidy(ctx context.Context, connection *pgconn.PgConn) {
	if _, err := quick(ctx, connection, "SELECT 1"); err != nil {
		return
	}
	if err := j.aside(ctx, clear); err != nil {
		fmt.Fprintf(&j.log, "cannot throw away %s: %v\n", nursery, err)
	}
}

// aside runs statements that have to be seen before the transaction with the lock ends.
func (j *job) aside(ctx context.Context, statements string) error {
	connection, err := j.place.connect(ctx, changing)
	if err != nil {
		return err
	}
	defer closeConnection(connection)
	_, err = ask(ctx, connection, statements)
	return err
}

// update brings the schema where it is to the version that the tool carries.
func (j *job) update(ctx context.Context, connection *pgconn.PgConn) error {
	if err := j.both(ctx, connection, ""); err != nil {
		return err
	}
	_, err := quick(ctx, connection, "COMMIT")
	return err
}

// both runs the tool's two commands; the first does nothing where a schema has a version.
func (j *job) both(ctx context.Context, connection *pgconn.PgConn, attributes string) error {
	if err := j.run(ctx, connection, attributes, "setup-schema", "--version", "0.0"); err != nil {
		return err
	}
	return j.run(ctx, connection, attributes, "update-schema", "--schema-name", j.schema)
}

// run runs the tool once. It ends with the connection that holds the lock, and with this program.
func (j *job) run(ctx context.Context, connection *pgconn.PgConn, attributes string, arguments ...string) error {
	// What tells the kernel to end the tool with its parent goes by threads.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var output bytes.Buffer
	command := exec.CommandContext(ctx, j.tool, arguments...)
	command.Env = append(os.Environ(), j.environment(attributes)...)
	command.Stdout, command.Stderr = &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Credential: j.owner, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for {
		select {
		case err := <-ended:
			kept := output.Bytes()
			j.log.Write(kept[max(0, len(kept)-tail):])
			if err != nil {
				return fmt.Errorf("%s: %s", arguments[0], reason(output.String(), err))
			}
			return nil
		case <-beat.C:
			if err := j.feel(ctx, connection); err != nil {
				cancel()
				<-ended
				return fmt.Errorf("%s: PostgreSQL went away: %w", arguments[0], err)
			}
		}
	}
}

// feel uses the connection that holds the lock.
func (j *job) feel(ctx context.Context, connection *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, pulseless)
	defer cancel()
	_, err := ask(ctx, connection, "SELECT 1")
	return err
}

// environment is how the tool logs in; as environment, since arguments can be read by everybody.
func (j *job) environment(attributes string) []string {
	attributes = "application_name=" + changing + attributes
	if !j.place.TLS {
		// As the server: where TLS is offered, it is taken.
		attributes += "&sslmode=prefer"
	}
	host := j.place.Host
	if strings.Contains(host, ":") {
		// The tool writes a colon and the port behind it.
		host = "[" + host + "]"
	}
	variables := []string{
		"SQL_PLUGIN=postgres12_pgx",
		"SQL_HOST=" + host,
		"SQL_PORT=" + strconv.Itoa(int(j.place.Port)),
		"SQL_USER=" + j.place.User,
		"SQL_PASSWORD=" + j.place.Password,
		"SQL_DATABASE=" + j.place.Name,
		"SQL_CONNECT_ATTRIBUTES=" + attributes,
	}
	if j.place.TLS {
		variables = append(variables, "SQL_TLS=true")
		if j.place.CAFile != "" {
			variables = append(variables, "SQL_TLS_CA_FILE="+j.place.CAFile)
		} else {
			variables = append(variables, "SQL_TLS_DISABLE_HOST_VERIFICATION=true")
		}
	}
	return variables
}

var (
	colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
	details = regexp.MustCompile(`\{"error": ?"(?:[^"\\]|\\.)*"`)
)

// reason is why the tool failed: the last error that it logged, or its last line.
func reason(output string, err error) string {
	if found := details.FindAllString(output, -1); found != nil {
		var parsed struct{ Error string }
		if json.Unmarshal([]byte(found[len(found)-1]+"}"), &parsed) == nil && parsed.Error != "" {
			return strings.TrimPrefix(parsed.Error, "error executing statement: ")
		}
	}
	lines := strings.Split(strings.TrimSpace(colours.ReplaceAllString(output, "")), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return err.Error()
}

// clean takes what must not be logged out of a text.
func (j *job) clean(text string) string {
	text = colours.ReplaceAllString(text, "")
	if j.place.Password == "" {
		return text
	}
	return strings.ReplaceAll(text, j.place.Password, "***")
}
