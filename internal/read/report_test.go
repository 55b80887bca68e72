package read_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/auth"
)

func TestReportsRefuseWhatTheyCannotAnswer(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	admin := auth.Principal{AccountID: s.own, Kind: auth.KindStaff, Role: auth.Admin, ID: uuid.New()}
	for _, c := range []struct{ arguments, want, says string }{
		{`groupBy: [KIND], bucket: DAY, timeZone: "Mars/Olympus"`, "BAD_USER_INPUT customerStats", "IANA"},
		{`groupBy: [KIND], timeZone: "Local"`, "BAD_USER_INPUT customerStats", "IANA"},
		{`groupBy: [KIND], timeZone: "UTC'; DROP TABLE customer; --"`, "BAD_USER_INPUT customerStats", "IANA"},
		{`groupBy: [], range: {from: "2026-03-02", to: "2026-03-01"}`, "BAD_USER_INPUT customerStats", "before it begins"},
		{`groupBy: [], where: {and: [{and: [{and: [{and: [{kind: [PERSON]}]}]}]}]}`, "BAD_USER_INPUT customerStats", "nested"},
	} {
		a := s.ask(admin, `{ customerStats(`+c.arguments+`) { count } }`, nil)
		if got := errorsOf(a); len(got) != 1 || got[0] != c.want || !strings.Contains(a.Errors[0].Message, c.says) {
			t.Errorf("%s gives %v %v, want %s saying %q", c.arguments, got, a.Errors, c.want, c.says)
		}
	}
}

func TestAReportOfTooManyGroupsNamesTheRemedy(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	admin := auth.Principal{AccountID: s.own, Kind: auth.KindStaff, Role: auth.Admin, ID: uuid.New()}
	exec := func(sql string) {
		if _, err := s.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	const days = `INSERT INTO customer (id, account_id, created_at, updated_at, kind, display_name, sort_name)
		SELECT gen_random_uuid(), '%s', '2000-01-01'::timestamptz + n * interval '1 day', now(), 'PERSON', 'x', 'x' FROM generate_series(%d, %d) n`
	const query = `{ customerStats(groupBy: [], bucket: DAY, range: {from: "2000-01-01", to: "2003-12-31"}) { bucketStart count } }`
	exec(fmt.Sprintf(days, s.own, 0, 999))
	if got := strings.Count(s.data(admin, query, nil), `"count":1`); got != 1000 {
		t.Errorf("a report of 1,000 groups has %d", got)
	}
	exec(fmt.Sprintf(days, s.own, 1000, 1000))
	a := s.ask(admin, query, nil)
	if got := errorsOf(a); len(got) != 1 || got[0] != "BAD_USER_INPUT customerStats" || !strings.Contains(a.Errors[0].Message, "shorter range") {
		t.Errorf("a report of 1,001 groups gives %v %v, want an error that names the remedy", got, a.Errors)
	}
	if got := s.data(admin, strings.Replace(query, "DAY", "YEAR", 1), nil); strings.Count(got, `"count"`) != 3 {
		t.Errorf("with a longer bucket: %s, want three years", got)
	}
}

func TestAReportNeedsThePermissionsOfItsNodes(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	key := auth.Principal{AccountID: s.own, Kind: auth.KindAPIKey, ID: uuid.New(), Scopes: []string{"customers:read"}}
	if a := s.ask(key, `{ customerStats(groupBy: [KIND]) { kind count } }`, nil); len(a.Errors) > 0 {
		t.Errorf("customers:read gives %v", a.Errors)
	}
	a := s.ask(key, `{ customerStats(groupBy: [SALESPERSON]) { salesperson { displayName } count } }`, nil)
	if got := errorsOf(a); len(got) != 1 || got[0] != "FORBIDDEN customerStats.salesperson" || strings.Contains(string(a.Data), "displayName") {
		t.Errorf("without staff:read: %v %s, want the salesperson withheld", got, a.Data)
	}
	none := auth.Principal{AccountID: s.own, Kind: auth.KindAPIKey, ID: uuid.New(), Scopes: []string{"documents:read"}}
	if got := errorsOf(s.ask(none, `{ customerStats(groupBy: []) { count } }`, nil)); len(got) != 1 || got[0] != "FORBIDDEN customerStats" {
		t.Errorf("without customers:read: %v", got)
	}
}
