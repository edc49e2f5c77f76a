// temporal-schema works on the databases for the admin charm, in the container that has Temporal's own tools.
//
//	temporal-schema watch --databases FILE --known FILE --notify KEY
//	temporal-schema run --databases FILE persistence=SCHEMA visibility=SCHEMA
//
// `watch` tells the charm when a database is not as the charm last saw it: PostgreSQL and Juju tell nobody. `run` lets
// temporal-sql-tool make or update schemas, one job at a time whoever starts them, so that a job that is cut off can be
// done again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// What `run` ends with besides 0; the charm knows them.
const (
	exitFailed = 1
	exitUsage  = 2
	exitHeld   = 75 // somebody else works on a schema: try again later
)

func main() {
	if len(os.Args) < 2 {
		usage(nil, errors.New("no command"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	databases := flags.String("databases", "", "JSON: where the databases are and how to log in")
	known := flags.String("known", "", "JSON: what the charm last saw (watch)")
	notify := flags.String("notify", "", "key of the notice to send (watch)")
	tool := flags.String("tool", "temporal-sql-tool", "program that makes and updates schemas (run)")
	owner := flags.String("user", "temporal", "user as whom the tool runs (run)")
	switch os.Args[1] {
	case "watch":
		parse(flags)
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		watch(ctx, *databases, *known, *notify)
	case "run":
		parse(flags)
		// Whoever started this may be gone before it has ended.
		signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
		status, err := run(*databases, *tool, *owner, flags.Args())
		if err != nil {
			fail(err)
		}
		os.Exit(status)
	default:
		usage(nil, fmt.Errorf("no command %q", os.Args[1]))
	}
}

func parse(flags *flag.FlagSet) {
	if err := flags.Parse(os.Args[2:]); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(os.Stdout)
		flags.PrintDefaults()
		os.Exit(0)
	} else if err != nil {
		usage(flags, err)
	}
}

// usage says how this is called, and then what was wrong.
func usage(flags *flag.FlagSet, err error) {
	fmt.Fprintln(os.Stderr, "Usage of temporal-schema: watch | run, with --help")
	if flags != nil {
		flags.SetOutput(os.Stderr)
		flags.PrintDefaults()
	}
	fail(err)
}

// fail ends with the error as the last line: that is what the charm shows.
func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitUsage)
}
