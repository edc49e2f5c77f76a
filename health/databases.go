// The databases, as the frontend sees them: a role goes on serving, by its health, while it has none.
package main

import (
	"context"
	"log"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	// How often the databases are asked while they answer, and while they do not.
	seldom, often = 5 * time.Second, time.Second
	// How long an answer may take, and how often it must be missing: a loaded database is slow, and no news.
	answerTimeout = 5 * time.Second
	misses        = 2
)

// question is a call that the frontend answers by asking one database. The request is in protobuf's wire format, which spares
// this program the whole of Temporal's API.
type question struct {
	database, method string
	request          []byte
}

const service = "/temporal.api.workflowservice.v1.WorkflowService/"

var questions = []question{
	// page_size: 1
	{"database", service + "ListNamespaces", []byte{1 << 3, 1}},
	// namespace: "temporal-system", page_size: 1
	{"visibility", service + "ListWorkflowExecutions", append([]byte("\x0a\x0ftemporal-system"), 2<<3, 1)},
}

// databases knows which of them do not answer the frontend.
type databases struct {
	frontend role
	missed   map[string]int

	mutex  sync.Mutex
	silent []string
}

// names tells which databases do not answer, in a fixed order.
func (d *databases) names() []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.silent
}

// follow asks until the context ends, and calls changed whenever others do not answer than before.
func (d *databases) follow(ctx context.Context, changed func()) {
	for ctx.Err() == nil {
		differs, pause := d.look(ctx)
		if differs {
			changed()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// look asks once, and tells whether others do not answer than before, and when to look again. A frontend that does not serve
// says nothing about databases.
func (d *databases) look(ctx context.Context) (differs bool, pause time.Duration) {
	var silent []string
	pause = seldom
	for _, q := range questions {
		err := d.ask(ctx, q)
		if !tells(err) {
			d.missed[q.database] = 0
		} else if d.frontend.serves(ctx) {
			d.missed[q.database]++
			pause = often
			log.Printf("%s does not answer: %v", q.database, err)
		}
		if d.missed[q.database] >= misses {
			silent = append(silent, q.database)
		}
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	differs = !slices.Equal(silent, d.silent)
	d.silent = silent
	return differs, pause
}

func (d *databases) ask(ctx context.Context, q question) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	request := &emptypb.Empty{}
	request.ProtoReflect().SetUnknown(q.request)
	return d.frontend.connection.Invoke(ctx, q.method, request, &emptypb.Empty{})
}

// tells whether an error can come from a database that does not answer; a refusal, as for too many requests, cannot.
func tells(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown:
		return true
	}
	return false
}
