package main

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	knows    = `{"states": {"persistence": "1.19", "visibility": "1.14"}, "again": 0}`
	knowsOut = `{"states": {"persistence": "!", "visibility": "!"}, "again": 0}`
	goesOn   = `{"states": {"persistence": "1.18", "visibility": "1.14"}, "again": 1}`
	works    = `{"states": {"persistence": "busy", "visibility": "1.14"}, "again": 0}`
	waits    = `{"states": {"persistence": "1.18", "visibility": "1.14"}, "again": 60, "unused": true}`
	knows97  = `{"states": {"persistence": "1.19@97", "visibility": "1.14@97"}, "again": 0}`
	knows20  = `{"states": {"persistence": "1.19@20", "visibility": "1.14@20"}, "again": 0}`
	retries  = `{"states": {"persistence": "0.0", "visibility": "0.0"}, "again": 60}`
)

// sight is one look, so many seconds after the first.
type sight struct {
	second      int
	known       string
	persistence string
	visibility  string
	tell        bool
	next        time.Duration
	used        bool
}

func TestTheCharmIsToldOnceOfWhatDiffersTwiceInARow(t *testing.T) {
	for name, sights := range map[string][]sight{
		"nothing new": {
			{0, knows, "1.19", "1.14", false, relaxed, true},
			{3, knows, "1.19", "1.14", false, relaxed, true},
		},
		"an outage, then its end": {
			{0, knows, "1.19", "1.14", false, relaxed, true},
			{3, knows, "!", "!", false, eager, true},
			{4, knows, "!", "!", true, eager, true},
			{5, knows, "!", "!", false, eager, true},
			{6, knowsOut, "!", "!", false, eager, true},
			{60, knowsOut, "1.19", "1.14", false, eager, true},
			{61, knowsOut, "1.19", "1.14", true, eager, true},
			{62, knowsOut, "1.19", "1.14", false, eager, true},
			{63, knows, "1.19", "1.14", false, relaxed, true},
		},
		"an outage of a second": {
			{0, knows, "!", "1.14", false, eager, true},
			{1, knows, "1.19", "1.14", false, relaxed, true},
		},
		"an outage that is over when the charm looks, then another": {
			{0, knows, "!", "!", false, eager, true},
			{1, knows, "!", "!", true, eager, true},
			{2, knows, "1.19", "1.14", false, relaxed, true},
			{5, knows, "!", "!", false, eager, true},
			{6, knows, "!", "!", true, eager, true},
		},
		"a refusal that the charm sees otherwise": {
			{0, knows, "!", "!", false, eager, true},
			{1, knows, "!", "!", true, eager, true},
			{9, knows, "!", "!", false, eager, true},
			{10, knows, "!28", "!", false, eager, true},
			{11, knows, "!28", "!", true, eager, true},
		},
		"a migration by this charm's own hook": {
			{0, works, "1.18", "1.14", false, eager, true},
			{4, works, "busy", "1.14", false, eager, true},
			{30, works, "busy", "1.14", false, eager, true},
			{31, works, "1.19", "1.14", false, eager, true},
			{35, works, "1.19", "1.14", false, eager, true},
			{36, knows, "1.19", "1.14", false, relaxed, true},
		},
		"a migration by somebody else": {
			{0, knows, "busy", "1.14", false, eager, true},
			{1, knows, "busy", "1.14", true, eager, true},
			{2, works, "busy", "1.14", false, eager, true},
			{9, works, "1.18", "1.14", false, eager, true},
			{13, works, "1.18", "1.14", false, eager, true},
			{14, works, "1.18", "1.14", true, eager, true},
		},
		"the charm wants to go on": {
			{0, goesOn, "1.18", "1.14", false, eager, true},
			{1, goesOn, "1.18", "1.14", true, eager, true},
			{3, goesOn, "1.18", "1.14", false, eager, true},
			{6, goesOn, "1.18", "1.14", true, eager, true},
		},
		"the charm waits for the server to stop": {
			{0, waits, "1.18", "1.14", false, eager, true},
			{9, waits, "1.18", "1.14", false, eager, true},
			{10, waits, "1.18", "1.14", true, eager, false},
			{11, waits, "1.18", "1.14", false, eager, false},
			{15, waits, "1.18", "1.14", true, eager, false},
		},
		"a server that does not stop": {
			{0, waits, "1.18", "1.14", false, eager, true},
			{60, waits, "1.18", "1.14", true, eager, true},
		},
		"the charm wants to try again": {
			{0, retries, "0.0", "0.0", false, eager, true},
			{59, retries, "0.0", "0.0", false, eager, true},
			{60, retries, "0.0", "0.0", true, eager, true},
			{61, retries, "0.0", "0.0", false, eager, true},
			{120, retries, "0.0", "0.0", true, eager, true},
		},
		"a role that may have fewer connections": {
			{0, knows97, "1.19@97", "1.14@97", false, relaxed, true},
			{3, knows97, "1.19@20", "1.14@20", false, eager, true},
			{4, knows97, "1.19@20", "1.14@20", true, eager, true},
			{6, knows20, "1.19@20", "1.14@20", false, relaxed, true},
		},
		"a file that is just being written": {
			{0, "", "1.19", "1.14", false, eager, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var m memory
			start := time.Now()
			for _, s := range sights {
				seen := map[string]string{"persistence": s.persistence, "visibility": s.visibility}
				tell, next := m.judge(start.Add(time.Duration(s.second)*time.Second), []byte(s.known), seen, s.used)
				if tell != s.tell || next != s.next {
					t.Errorf("after %d s: tells %v, looks again in %v", s.second, tell, next)
				}
			}
		})
	}
}

func TestOnlyWhatAPersonMendsIsToldApart(t *testing.T) {
	for code, expected := range map[string]string{"28P01": "!28", "3D000": "!3D", "42501": "!42", "53300": "!53", "57P03": "!"} {
		if found := refusal(&pgconn.PgError{Code: code}); found != expected {
			t.Errorf("%s is %s", code, found)
		}
	}
	if found := refusal(errors.New("no route")); found != "!" {
		t.Errorf("no answer is %s", found)
	}
}

func TestADatabaseIsSeenWithItsVersionAndItsLimit(t *testing.T) {
	missing, slow := &pgconn.PgError{Code: "42P01"}, &pgconn.PgError{Code: "57014"}
	for name, test := range map[string]struct {
		values []string
		err    error
		state  string
		used   bool
	}{
		"a schema":               {[]string{"f", "t", "97", "1.19"}, nil, "1.19@97", true},
		"no table yet":           {[]string{"f", "f", "20"}, missing, "0.0@20", false},
		"an empty table":         {[]string{"f", "f", "97", ""}, nil, "0.0@97", false},
		"somebody at work":       {[]string{"t", "f", "97", "1.18"}, nil, "busy", false},
		"work on a new schema":   {[]string{"t", "f", "97"}, missing, "busy", false},
		"an answer cut off":      {[]string{"f", "t", "97"}, slow, "!", true},
		"no answer":              {nil, errors.New("gone"), "!", false},
		"rights that are missed": {[]string{"f", "t", "97"}, &pgconn.PgError{Code: "42501"}, "!42", true},
	} {
		if state, used := describe(test.values, test.err); state != test.state || used != test.used {
			t.Errorf("%s: %s, %v", name, state, used)
		}
	}
}
