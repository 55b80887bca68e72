package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/internal/pgtest"
)

func TestMain(m *testing.M) { apitest.Main(m) }

// goodSecret has the right form and guards nothing.
const goodSecret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestServeSaysEverythingThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	const password, key = "hunter2hunter2", "deadbeefcafe"
	exit := apitest.Run(t, []string{
		"DATABASE_URL=mysql://root:" + password + "@db/x", "DOSSIER_SECRET=" + key, "DOSSIER_LISTEN=nowhere", "DOSSIER_BLOB_STORE=tape",
		"DOSSIER_ORIGINS=https://a.example/path,*", "DOSSIER_READ_CONNS=many", "DOSSIER_UPLOAD_LEASE=soon", "DOSSIER_LOG_LEVEL=loud",
		"DOSSIER_PUBLIC_URL=ftp://x",
	}, "serve")
	if exit.Code != 1 || exit.Stdout != "" {
		t.Errorf("exit %d with %q on stdout, want 1 and nothing", exit.Code, exit.Stdout)
	}
	for _, name := range []string{
		"DATABASE_URL", "DOSSIER_SECRET", "DOSSIER_LISTEN", "DOSSIER_BLOB_STORE", "DOSSIER_ORIGINS", "DOSSIER_READ_CONNS",
		"DOSSIER_UPLOAD_LEASE", "DOSSIER_LOG_LEVEL", "DOSSIER_PUBLIC_URL",
	} {
		if !strings.Contains(exit.Stderr, "("+name+")") {
			t.Errorf("nothing is said about %s:\n%s", name, exit.Stderr)
		}
	}
	if strings.Contains(exit.Stderr, password) || strings.Contains(exit.Stderr, key) {
		t.Errorf("a secret is printed:\n%s", exit.Stderr)
	}
}

func TestServeWithoutConfigurationNamesWhatItNeeds(t *testing.T) {
	t.Parallel()
	exit := apitest.Run(t, nil, "serve")
	if exit.Code != 1 || !strings.Contains(exit.Stderr, "DATABASE_URL") || !strings.Contains(exit.Stderr, "openssl rand -hex 32") {
		t.Errorf("exit %d:\n%s\nwant 1, the database and how to make a secret", exit.Code, exit.Stderr)
	}
}

func TestHelpShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "dev", "migrate", "seed", "keys create"} {
		exit := apitest.Run(t, []string{"DATABASE_URL=postgres://u:hunter2@db/x", "DOSSIER_SECRET=" + goodSecret}, append(strings.Fields(command), "--help")...)
		if exit.Code != 0 || strings.Contains(exit.Stdout+exit.Stderr, "hunter2") || strings.Contains(exit.Stdout+exit.Stderr, goodSecret) {
			t.Errorf("%s --help exits with %d and shows:\n%s%s", command, exit.Code, exit.Stdout, exit.Stderr)
		}
	}
}

func TestADatabaseThatIsNotThereIsSaidWithoutItsPassword(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=postgres://user:hunter2@127.0.0.1:1/x?sslmode=disable", "DOSSIER_SECRET=" + goodSecret}
	for _, command := range []string{
		"serve --listen=127.0.0.1:0 --admin-listen=127.0.0.1:0", "migrate", "seed --customers=1",
		"keys list --account=acc_01h455vb4pex5vsknk084sn02q",
	} {
		exit := apitest.Run(t, env, strings.Fields(command)...)
		if exit.Code != 1 || exit.Stderr == "" || strings.Contains(exit.Stderr, "hunter2") {
			t.Errorf("%s: exit %d:\n%s\nwant 1, and no password", command, exit.Code, exit.Stderr)
		}
	}
}

func TestADatabaseWithoutTablesIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	exit := apitest.Run(t, []string{"DATABASE_URL=" + db.DSN(), "DOSSIER_SECRET=" + goodSecret}, "serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0")
	if exit.Code != 1 || !strings.Contains(exit.Stderr, "dossier migrate") {
		t.Errorf("exit %d:\n%s\nwant 1 and the command that helps", exit.Code, exit.Stderr)
	}
}

func TestMigrateTwiceChangesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + pgtest.New(t).DSN()}
	first, second := apitest.Run(t, env, "migrate"), apitest.Run(t, env, "migrate")
	if first.Code != 0 || !regexp.MustCompile(`^applied [1-9]\d* migrations\n$`).MatchString(first.Stdout) {
		t.Errorf("the first: exit %d, %q, %s", first.Code, first.Stdout, first.Stderr)
	}
	if second.Code != 0 || second.Stdout != "applied 0 migrations\n" {
		t.Errorf("the second: exit %d, %q, %s", second.Code, second.Stdout, second.Stderr)
	}
}

// keyID is how `keys list` names a key.
var keyID = regexp.MustCompile(`key_[0-9a-z]{26}`)

func TestKeysAreMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	s := apitest.StartServe(t, pgtest.New(t, apitest.Template()).DSN())
	account := s.Account(t, "Praxis", 2)
	key := s.Key(t, account, "customers:read", "account:read")
	const query = `{ account { name } customers { nodes { displayName } } }`
	if r := s.Do(t, key, query, nil); len(r.Errors) > 0 || r.Data["account"].(map[string]any)["name"] != "Praxis" {
		t.Fatalf("the key reads %v %v, want the account Praxis", r.Data, r.Errors)
	}
	if r := s.Do(t, key, `mutation { customerCreate(input: {givenName: "A"}) { userErrors { code } } }`, nil); r.Code() != "FORBIDDEN" {
		t.Errorf("a key for reading writes: %v %v", r.Data, r.Errors)
	}
	list := s.Command(t, "keys", "list", "--account="+account)
	id := keyID.FindString(list)
	if id == "" || !strings.Contains(list, "customers:read") || !strings.Contains(list, key[len(key)-4:]) {
		t.Errorf("the list is\n%s\nwant the key's id, scopes and last characters", list)
	}
	if strings.Contains(list, key[4:40]) {
		t.Errorf("the list holds the secret:\n%s", list)
	}
	s.Command(t, "keys", "revoke", "--account="+account, id)
	if list := s.Command(t, "keys", "list", "--account="+account); !regexp.MustCompile(`20\d\d-[^ ]+ +20\d\d-`).MatchString(list) {
		t.Errorf("the list does not say when the key was revoked:\n%s", list)
	}
	wait(t, 6*time.Second, "a revoked key still works", func() bool { return s.Do(t, key, query, nil).Code() == "UNAUTHENTICATED" })
}

func TestKeysSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, apitest.Template())
	env := []string{"DATABASE_URL=" + db.DSN(), "DOSSIER_SECRET=" + goodSecret}
	seeded := apitest.Run(t, env, "seed", "--customers=0", "--data-dir="+t.TempDir())
	account := strings.TrimSpace(seeded.Stdout)
	for _, c := range []struct{ args, want string }{
		{"keys list --account=nonsense", "no account id"},
		{"keys create --account=" + account + " --name=x --scopes=everything", "scopes"},
		{"keys create --account=" + account + " --name= --scopes=read", "name"},
		{"keys create --account=acc_01h455vb4pex5vsknk084sn02q --name=x --scopes=read", "account"},
		{"keys revoke --account=" + account + " key_01h455vb4pex5vsknk084sn02q", ""},
		{"keys revoke --account=" + account + " nonsense", ""},
		{"keys create --account=" + account + " --name=x --scopes=read --secret=abc", "DOSSIER_SECRET"},
	} {
		exit := apitest.Run(t, env, strings.Fields(c.args)...)
		if exit.Code != 1 || exit.Stdout != "" || !strings.Contains(exit.Stderr, c.want) {
			t.Errorf("%s: exit %d, %q, %s\nwant 1 and %q", c.args, exit.Code, exit.Stdout, exit.Stderr, c.want)
		}
		for _, internals := range []string{"SQLSTATE", "pgx", "store.", "account.Key", "ent:"} {
			if strings.Contains(exit.Stderr, internals) {
				t.Errorf("%s: the message shows internals: %s", c.args, exit.Stderr)
			}
		}
	}
}

func TestSeedMakesCustomersOfAllKinds(t *testing.T) {
	t.Parallel()
	s := apitest.StartServe(t, pgtest.New(t, apitest.Template()).DSN())
	account := s.Account(t, "Sample", 30)
	r := s.Do(t, s.Key(t, account, "read"), `{ customers(first: 30) { totalCount nodes {
		kind contacts(first: 1) { nodes { displayName } } documents(first: 3) { nodes { currentVersion { contentType } } }
		upcoming: timeline(direction: UPCOMING, first: 1) { nodes { title } } } } }`, nil)
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	text, err := json.Marshal(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"totalCount":30`, `"PERSON"`, `"COMPANY"`, "application/pdf", "image/png", "wordprocessingml.document"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s among the samples", want)
		}
	}
	if !regexp.MustCompile(`"upcoming":\{"nodes":\[\{`).Match(text) || !regexp.MustCompile(`"contacts":\{"nodes":\[\{`).Match(text) {
		t.Error("no customer has a contact, or something to come")
	}
}

// curlLine is the line that dev prints for copying.
var curlLine = regexp.MustCompile(`(?m)^ +(curl .*)$`)

func TestTheCurlLineOfDevUploadsAFile(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, 3)
	var line []string
	wait(t, 30*time.Second, "dev prints no curl line", func() bool {
		line = curlLine.FindStringSubmatch(s.Output())
		return line != nil && strings.Contains(s.Output(), "Stop with Ctrl-C")
	})
	dir := t.TempDir()
	content := []byte("# Readme\n\nThis is the file that is uploaded.\n")
	if err := os.WriteFile(filepath.Join(dir, "README.md"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", line[1])
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", line[1], err, out)
	}
	var answer struct {
		Data struct {
			DocumentUpload struct {
				Results []struct {
					Document struct{ ID, Title string }
				}
			}
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil || len(answer.Data.DocumentUpload.Results) != 1 ||
		answer.Data.DocumentUpload.Results[0].Document.Title != "README.md" {
		t.Fatalf("the line answers %s, want a document", out)
	}
	r := s.Do(t, s.Token(t, auth.Viewer), `query($id: ID!) { document(id: $id) { currentVersion { downloadUrl } } }`,
		map[string]any{"id": answer.Data.DocumentUpload.Results[0].Document.ID})
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	url, _ := r.Data["document"].(map[string]any)["currentVersion"].(map[string]any)["downloadUrl"].(string)
	if got := fetch(t, url); got != string(content) {
		t.Errorf("the document is %q, want what was uploaded", got)
	}
}

func TestLogsAreJSONWithoutVariables(t *testing.T) {
	t.Parallel()
	const secret = "canary-91"
	s := apitest.StartServe(t, pgtest.New(t, apitest.Template()).DSN(), "--log-level=debug")
	account := s.Account(t, secret, 1)
	key := s.Key(t, account, "write")
	s.Do(t, key, `query($q: String!) { customers(where: {displayNameStartsWith: $q}) { nodes { id } } }`, map[string]any{"q": secret})
	s.Do(t, key, `mutation($q: String!) { customerCreate(input: {givenName: $q, emails: [{address: "not-`+secret+`"}]}) { userErrors { code } } }`, map[string]any{"q": secret})
	s.Do(t, secret, `{ nope }`, nil)
	fetch(t, s.URL+"/files/"+secret+"?"+secret)
	if err := s.Terminate(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
	lines := strings.Split(strings.TrimSpace(s.Output()), "\n")
	requests := 0
	for _, line := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["msg"] == nil || fields["level"] == nil || fields["time"] == nil {
			t.Errorf("a line is no log record: %s", line)
		}
		if fields["msg"] == "request" {
			requests++
		}
	}
	if requests < 4 {
		t.Errorf("%d requests are logged, want at least 4:\n%s", requests, s.Output())
	}
	if strings.Contains(s.Output(), secret) || strings.Contains(s.Output(), key) {
		t.Errorf("the log holds what a client sent:\n%s", s.Output())
	}
}

// fetch follows redirects and gives the body.
func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wait polls until ok, and fails the test with a message when that takes longer than limit.
func wait(t *testing.T, limit time.Duration, message string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatal(message)
		case <-tick.C:
		}
	}
}
