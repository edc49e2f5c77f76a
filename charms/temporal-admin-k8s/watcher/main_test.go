package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain lets the test's own program be the one that is tested.
func TestMain(m *testing.M) {
	if os.Getenv("BE_TEMPORAL_SCHEMA") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestTheLastLineSaysWhatWasWrongAndOnlyWhoErrsWithOptionsIsToldOfThem(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []string
		last      string
		usage     bool
	}{
		"no command":   {nil, "no command", true},
		"another":      {[]string{"walk"}, `no command "walk"`, true},
		"no option":    {[]string{"run", "--odd"}, "flag provided but not defined: -odd", true},
		"no databases": {[]string{"run", "--databases", "/none"}, "open /none: no such file or directory", false},
	} {
		command := exec.Command(os.Args[0], test.arguments...)
		command.Env = append(os.Environ(), "BE_TEMPORAL_SCHEMA=1")
		var stderr bytes.Buffer
		command.Stderr = &stderr
		var ended *exec.ExitError
		if err := command.Run(); !errors.As(err, &ended) || ended.ExitCode() != exitUsage {
			t.Errorf("%s: %v", name, err)
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if lines[len(lines)-1] != test.last || strings.Contains(stderr.String(), "Usage") != test.usage {
			t.Errorf("%s: %q", name, stderr.String())
		}
	}
}
