package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestTheReasonIsTheLastErrorOfTheLogOrItsLastLine(t *testing.T) {
	for output, expected := range map[string]string{
		"\x1b[34mINFO\x1b[0m\tstart\t{}\n" +
			"\x1b[31mERROR\x1b[0m\tUnable.\t{\"error\": \"error executing statement: ERROR: no \\\"x\\\" (42P01)\", \"at\": \"f\"}\n" +
			"exit": `ERROR: no "x" (42P01)`,
		"one\n\x1b[31mtwo\x1b[0m\n": "two",
		"":                          "status 3",
	} {
		if found := reason(output, errors.New("status 3")); found != expected {
			t.Errorf("%q", found)
		}
	}
}

func TestNoLogHoldsThePassword(t *testing.T) {
	if found := (&job{place: database{Password: "hush"}}).clean("a hush b"); found != "a *** b" {
		t.Errorf("%q", found)
	}
	if found := (&job{}).clean("a b"); found != "a b" {
		t.Errorf("%q", found)
	}
}

func TestTheToolLogsInAsTheCharmDoes(t *testing.T) {
	place := database{Host: "pg", Port: 5432, Name: "temporal", User: "u", Password: "hush"}
	plain := (&job{place: place}).environment("&search_path=x")
	place.TLS = true
	unverified := (&job{place: place}).environment("")
	place.CA, place.CAFile = "PEM", "/ca.pem"
	verified := (&job{place: place}).environment("")
	for _, wanted := range []string{"SQL_HOST=pg", "SQL_PORT=5432", "SQL_USER=u", "SQL_PASSWORD=hush",
		"SQL_DATABASE=temporal",
		"SQL_CONNECT_ATTRIBUTES=application_name=temporal-schema-run&search_path=x&sslmode=prefer"} {
		if !slices.Contains(plain, wanted) {
			t.Errorf("no %s in %v", wanted, plain)
		}
	}
	if slices.Contains(plain, "SQL_TLS=true") || !slices.Contains(unverified, "SQL_TLS_DISABLE_HOST_VERIFICATION=true") {
		t.Errorf("%v, %v", plain, unverified)
	}
	if !slices.Contains(verified, "SQL_TLS_CA_FILE=/ca.pem") ||
		slices.Contains(verified, "SQL_TLS_DISABLE_HOST_VERIFICATION=true") {
		t.Errorf("%v", verified)
	}
}

func TestAnAddressOfIPv6HasBracketsForTheToolAndNoneElsewhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "databases.json")
	for _, host := range []string{"::1", "[::1]"} {
		if err := os.WriteFile(file, []byte(`{"persistence": {"host": "`+host+`"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		places, err := load(file)
		if err != nil || places["persistence"].Host != "::1" {
			t.Errorf("%s: %v, %v", host, places, err)
		}
		if variables := (&job{place: places["persistence"]}).environment(""); !slices.Contains(variables, "SQL_HOST=[::1]") {
			t.Errorf("%s: %v", host, variables)
		}
	}
}
