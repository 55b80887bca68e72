package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func parse(t *testing.T, args ...string) *config {
	t.Helper()
	var c config
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	c := parse(t, "--listen=nowhere", "--admin-listen=x:99999", "--public-url=ftp://x", "--origin=https://a.example/path",
		"--blob-store=tape", "--read-conns=many", "--max-files=0", "--event-retention=1s", "--sweep=soon",
		"--log-level=loud", "--secret=abc", "--database-url=mysql://root:hunter2@db/x")
	err := c.problems(false)
	if err == nil {
		t.Fatal("no problems found")
	}
	for _, flag := range []string{
		"listen", "admin-listen", "public-url", "origin", "blob-store", "read-conns", "max-files",
		"event-retention", "sweep", "log-level", "secret", "database-url",
	} {
		if !strings.Contains(err.Error(), "--"+flag+" (") {
			t.Errorf("no problem names --%s:\n%v", flag, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "abc;") {
		t.Errorf("the message shows a secret: %v", err)
	}
}

func TestDefaultsAreEnoughForDev(t *testing.T) {
	if err := parse(t).problems(true); err != nil {
		t.Errorf("problems(dev) = %v, want none", err)
	}
	if err := parse(t).problems(false); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("problems(serve) = %v, want the database and the secret", err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	c := config{Secret: "00ff", DatabaseURL: "postgres://u:hunter2@h/d"}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprint(c.Secret)} {
		if strings.Contains(s, "hunter2") || strings.Contains(s, "00ff") {
			t.Errorf("printed a secret: %s", s)
		}
	}
}
