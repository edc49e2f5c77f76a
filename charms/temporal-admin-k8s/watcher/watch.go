package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// How often databases are asked; sooner where something is not as the charm knows it, or is to become so.
	relaxed = 3 * time.Second
	eager   = time.Second
	// The charm needs some time to hear of a notice and to act.
	grace = 5 * time.Second
)

// What a database can be seen as besides a version and a limit of connections ("1.19@97"). The charm writes the same.
const (
	noSchema = "0.0"  // in the place of a version
	busy     = "busy" // somebody works on the schema
	silent   = "!"    // no answer; with the class of PostgreSQL's error where that says what to mend
)

// known is what the charm last saw.
type known struct {
	States map[string]string `json:"states"`
	// Again asks for a notice every so many seconds, whatever is seen; 0 for none.
	Again int `json:"again"`
	// Unused asks for one as soon as no server has a connection.
	Unused bool `json:"unused"`
}

// look tells what a database is now, and whether a server uses it.
func look(ctx context.Context, d database) (state string, used bool) {
	connection, err := d.connect(ctx, looking)
	if err != nil {
		return refusal(err), false
	}
	defer closeConnection(connection)
	values, err := quick(ctx, connection, strings.Join([]string{
		atWork, serving, limit, "SELECT curr_version FROM schema_version WHERE db_name = " + quote(d.Name),
	}, "; "))
	return describe(values, err)
}

// describe sums up what a database answers.
func describe(values []string, err error) (state string, used bool) {
	if len(values) < 3 {
		return refusal(err), false
	}
	used = values[1] == "t"
	switch {
	case values[0] == "t":
		return busy, used
	case err != nil && sqlstate(err) != "42P01": // that there is no such table
		return refusal(err), used
	case err != nil || values[3] == "":
		return noSchema + "@" + values[2], used
	}
	return values[3] + "@" + values[2], used
}

// refusal sums up why a database cannot be asked. Only what a person has to mend is told apart: login, name, rights,
// too many connections. All else may change with every attempt.
func refusal(err error) string {
	code := sqlstate(err)
	if len(code) == 5 && slices.Contains([]string{"28", "3D", "42", "53"}, code[:2]) {
		return silent + code[:2]
	}
	return silent
}

// memory is what the watcher keeps from one look to the next.
type memory struct {
	content []byte            // of the file with what the charm knows
	since   time.Time         // when that was new, or the charm was told since
	stirred bool              // whether it was the latter
	seen    map[string]string // the last time
	first   time.Time         // when that was seen first
	about   map[string]string // what the charm was told of; nil if that is over
}

// judge decides whether the charm has to be told, and when to look again.
//
// What differs has to be so for a while: an outage of a second is none, and where the charm knows of somebody's work,
// its own hook may have ended it and be about to write down what it saw. The charm is told once.
func (m *memory) judge(
	now time.Time, content []byte, seen map[string]string, used bool,
) (tell bool, next time.Duration) {
	var expected known
	if err := json.Unmarshal(content, &expected); err != nil {
		return false, eager
	}
	if !bytes.Equal(content, m.content) {
		*m = memory{content: content, since: now}
	}
	if !maps.Equal(seen, m.seen) {
		m.seen, m.first = seen, now
	}
	if m.goOn(now, expected, used) {
		m.since, m.stirred = now, true
		return true, eager
	}
	if maps.Equal(seen, expected.States) {
		m.about = nil
		if expected.Again > 0 || slices.ContainsFunc(slices.Collect(maps.Values(seen)), isPassing) {
			return false, eager
		}
		return false, relaxed
	}
	patience := eager
	if slices.Contains(slices.Collect(maps.Values(expected.States)), busy) {
		patience = grace
	}
	if now.Sub(m.first) >= patience && !maps.Equal(seen, m.about) {
		m.since, m.stirred, m.about = now, true, seen
		return true, eager
	}
	return false, eager
}

// goOn tells whether the charm is due that asked to be woken, whatever is seen.
func (m *memory) goOn(now time.Time, expected known, used bool) bool {
	wait := time.Duration(expected.Again) * time.Second
	if expected.Unused && !used {
		wait = eager
	}
	if wait > 0 && m.stirred {
		wait = max(wait, grace)
	}
	return wait > 0 && now.Sub(m.since) >= wait
}

// isPassing tells whether a state is one that ends by itself, mostly.
func isPassing(state string) bool { return state == busy || state[:1] == silent }

// watch looks until it is told to end.
func watch(ctx context.Context, databases, knownFile, key string) {
	var m memory
	for ctx.Err() == nil {
		next := eager
		content, err := os.ReadFile(knownFile)
		places, err2 := load(databases)
		if err == nil && err2 == nil {
			seen, used := lookAll(ctx, places)
			var tell bool
			if tell, next = m.judge(time.Now(), content, seen, used); tell && ctx.Err() == nil {
				log.Printf("seen %v, known %s", seen, bytes.TrimSpace(content))
				announce(ctx, key)
			}
		} else {
			log.Printf("cannot read what the charm wrote: %v %v", err, err2)
		}
		select {
		case <-ctx.Done():
		case <-time.After(next):
		}
	}
}

// lookAll looks at all databases at the same time; used is whether a server uses one of them.
func lookAll(ctx context.Context, places map[string]database) (seen map[string]string, used bool) {
	seen = map[string]string{}
	var mutex sync.Mutex
	var group sync.WaitGroup
	for name, place := range places {
		group.Go(func() {
			state, inUse := look(ctx, place)
			mutex.Lock()
			defer mutex.Unlock()
			seen[name] = state
			used = used || inUse
		})
	}
	group.Wait()
	return seen, used
}

// announce wakes the charm.
func announce(ctx context.Context, key string) {
	for ctx.Err() == nil {
		output, err := exec.CommandContext(ctx, "/charm/bin/pebble", "notify", key).CombinedOutput()
		if err == nil {
			return
		}
		log.Printf("pebble notify: %v: %s", err, output)
		time.Sleep(eager)
	}
}
