package main

import (
	"io"
	"regexp"
	"sort"
	"strings"
	"sync"
)

const (
	// longest is how much of a line is told.
	longest = 200
	// shortestSecret is the least length of a value that is hidden; a shorter one is no secret, and hides what is said.
	shortestSecret = 4
)

// telling finds lines that say why a program ends, among those that say what it does.
var telling = regexp.MustCompile(`(?i)error|exception|panic|fatal|cannot|could not|failed|not found|denied|no such`)

// credential finds names of the charm's own variables whose values are secrets.
var credential = regexp.MustCompile(`KEY|TOKEN|SECRET|PASSWORD|DSN`)

// lastWords remembers of a program's output what says why it has ended.
type lastWords struct {
	hidden        []string
	streams       []*lines
	mutex         sync.Mutex
	found, latest string
	traceback     bool
}

// into passes output on, and reads it.
func (l *lastWords) into(target io.Writer) io.Writer {
	stream := &lines{words: l, target: target}
	l.streams = append(l.streams, stream)
	return stream
}

func (l *lastWords) read(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	l.latest = line
	// Python tells the reason last.
	l.traceback = l.traceback || strings.HasPrefix(line, "Traceback (most recent call last)")
	if l.found == "" && !l.traceback && telling.MatchString(line) {
		l.found = line
	}
}

// telling gives the line that tells most: the first one that sounds like a reason, else the last one; without secrets.
func (l *lastWords) telling() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, stream := range l.streams {
		// The last line may have no end.
		l.read(stream.rest)
		stream.rest = ""
	}
	line := l.found
	if line == "" || l.traceback {
		line = l.latest
	}
	for _, value := range l.hidden {
		line = strings.ReplaceAll(line, value, "***")
	}
	line = strings.TrimSpace(strings.ToValidUTF8(line, "?"))
	// Not cut before: of a value that is cut, the rest would not be found.
	if runes := []rune(line); len(runes) > longest {
		line = string(runes[:longest]) + "..."
	}
	return line
}

// lines cuts what one of a program's streams says into lines.
type lines struct {
	words  *lastWords
	target io.Writer
	rest   string
}

func (l *lines) Write(text []byte) (int, error) {
	l.words.mutex.Lock()
	defer l.words.mutex.Unlock()
	l.rest += string(text)
	for {
		line, rest, whole := strings.Cut(l.rest, "\n")
		if !whole {
			break
		}
		l.words.read(line)
		l.rest = rest
	}
	if len(l.rest) > 1<<16 {
		l.rest = l.rest[:1<<16]
	}
	return l.target.Write(text)
}

// secrets are the values that must not be told, the longest first: all but those that the charm itself gives.
func secrets(variables map[string]string) []string {
	own := map[string]bool{}
	for name, value := range variables {
		if (strings.HasPrefix(name, "TWC_") || strings.HasPrefix(name, "TEMPORAL_")) && !credential.MatchString(name) {
			own[value] = true
		}
	}
	var found []string
	for _, value := range variables {
		for _, line := range strings.Split(value, "\n") {
			if line = strings.TrimSpace(line); !own[value] && len(line) >= shortestSecret {
				found = append(found, line)
			}
		}
	}
	sort.Slice(found, func(i, j int) bool { return len(found[i]) > len(found[j]) })
	return found
}
