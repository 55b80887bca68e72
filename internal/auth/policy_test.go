package auth_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

func staff(role auth.Role) auth.Principal {
	return auth.Principal{AccountID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057"), Kind: auth.KindStaff, ID: typeid.New(), Role: role}
}

func apiKey(scopes ...string) auth.Principal {
	p := staff("")
	p.Kind, p.Scopes = auth.KindAPIKey, scopes
	return p
}

func TestEveryRootFieldAndTypeHasAPermission(t *testing.T) {
	t.Parallel()
	fields := map[string]string{
		"Query": "viewer account node nodes customer customerByExternalId document documents documentAreas customers events storage auditTrail " +
			"customerStats attributeDefinitions job jobs customerDuplicates customerDuplicateGroups customerMerges customerTypes customerOrigins offices services fieldPolicy staffUsers",
		"Mutation": "customerCreate customerUpdate customerUpsert customerArchive customerRestore customerMerge customerMergeUndo contactCreate contactUpdate contactArchive " +
			"documentUpload documentUploadBegin documentUploadComplete documentUploadCancel documentReplace documentUpdate documentArchive documentRestore " +
			"documentMove documentDelete " +
			"attributeDefinitionCreate attributeDefinitionUpdate attributeDefinitionMove attributeDefinitionArchive " +
			"attributeDefinitionRestore attributeDefinitionDelete " +
			"timelineEntryCreate timelineEntryUpdate timelineEntryDelete noteCreate noteUpdate noteDelete customerImageSet customerImageRemove apiKeyCreate apiKeyRevoke " +
			"customerTypeCreate customerTypeUpdate customerTypeMove customerTypeArchive customerTypeRestore customerTypeDelete " +
			"customerOriginCreate customerOriginUpdate customerOriginMove customerOriginArchive customerOriginRestore customerOriginDelete " +
			"officeCreate officeUpdate officeMove officeArchive officeRestore officeDelete " +
			"serviceCreate serviceUpdate serviceMove serviceArchive serviceRestore serviceDelete " +
			"fieldPolicyUpdate fieldPolicyReset staffUserCreate staffUserUpdate staffUserArchive staffUserRestore " +
			"importStart exportStart jobCancel storageLimitSet",
		"Subscription": "documentEvents events",
	}
	known := auth.Permissions()
	count := 0
	for root, names := range fields {
		for name := range strings.FieldsSeq(names) {
			count++
			perm, ok := auth.FieldPermission(root + "." + name)
			if !ok || !slices.Contains(known, perm) {
				t.Errorf("%s.%s: got %q, want a permission of the table", root, name, perm)
			}
			writes := strings.HasSuffix(string(perm), ":write") || perm == auth.AccountAdmin || perm == auth.CustomersImport || perm == auth.CustomersExport ||
				perm == auth.AccountOperate || perm == auth.DocumentsDelete
			if writes != (root == "Mutation") {
				t.Errorf("%s.%s: got %s, want mutations and only mutations to need a right to write", root, name, perm)
			}
			for _, p := range []auth.Principal{{}, staff(""), staff("OWNER")} {
				if err := p.RequireField(root + "." + name); err == nil {
					t.Errorf("%s.%s is open to %+v, want it refused", root, name, p)
				}
			}
		}
	}
	if got := len(auth.PolicyFields()); got != count {
		t.Errorf("got %d fields in the policy, want %d", got, count)
	}
	for name := range strings.FieldsSeq("Customer Contact EmailAddress PhoneNumber PostalAddress Document DocumentArea DocumentVersion " +
		"TimelineEntry Event StaffUser ApiKey Account StorageUsage AccountLimits Viewer CustomerType CustomerOrigin Office Service " +
		"Note Image CustomerStat") {
		if !staff(auth.Viewer).CanRead(name) {
			t.Errorf("%s: got refused, want it readable for VIEWER", name)
		}
		if (auth.Principal{}).CanRead(name) || staff("OWNER").CanRead(name) {
			t.Errorf("%s: got readable for nobody or an unknown role, want it refused", name)
		}
	}
	for _, list := range [][]string{auth.PolicyTypes(), auth.PolicyMembers()} {
		for _, name := range list {
			typeName, field, _ := strings.Cut(name, ".")
			if perm, ok := auth.MemberPermission(typeName, field); !ok || !slices.Contains(known, perm) {
				t.Errorf("%s: got %q, want a permission of the table", name, perm)
			}
		}
	}
	for _, perm := range known {
		if auth.Describe(perm) == "" {
			t.Errorf("%s has no description", perm)
		}
	}
	if len(known) > 64 {
		t.Errorf("got %d permissions, a Set holds 64", len(known))
	}
}

func TestRolesIncludeTheOnesBelow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		perm                  auth.Permission
		viewer, editor, admin bool
	}{
		{auth.Authenticated, true, true, true},
		{auth.AccountRead, true, true, true},
		{auth.AccountAdmin, false, false, true},
		{auth.StaffRead, true, true, true},
		{auth.CustomersRead, true, true, true},
		{auth.CustomersWrite, false, true, true},
		{auth.DocumentsRead, true, true, true},
		{auth.DocumentsWrite, false, true, true},
		{auth.DocumentsDelete, false, false, true},
		{auth.TimelineRead, true, true, true},
		{auth.TimelineWrite, false, true, true},
		{auth.EventsRead, true, true, true},
		{auth.NotesRead, true, true, true},
		{auth.NotesWrite, false, true, true},
		{auth.AuditRead, false, false, true},
		{"customers:delete", false, false, false},
		{"", false, false, false},
	} {
		got := [3]bool{staff(auth.Viewer).Can(c.perm), staff(auth.Editor).Can(c.perm), staff(auth.Admin).Can(c.perm)}
		if want := [3]bool{c.viewer, c.editor, c.admin}; got != want {
			t.Errorf("%s: got %v, want %v", c.perm, got, want)
		}
		if got, want := auth.System(uuid.Max).Can(c.perm), c.admin; got != want {
			t.Errorf("%s for SYSTEM: got %v, want %v", c.perm, got, want)
		}
	}
}

func TestWhatIsNotInThePolicyIsDenied(t *testing.T) {
	t.Parallel()
	for _, p := range []auth.Principal{staff(auth.Admin), apiKey("admin"), auth.System(uuid.Max)} {
		wantCode(t, p.RequireField("Mutation.accountDelete"), fault.Forbidden)
		wantCode(t, p.RequireField("customers"), fault.Forbidden)
		wantCode(t, p.RequireRead("Password"), fault.Forbidden)
		wantCode(t, p.Require("everything"), fault.Forbidden)
		if _, ok := auth.MemberPermission("Password", "hash"); ok || p.CanRead("Password") {
			t.Error("an unknown type is readable, want it denied")
		}
	}
	wantCode(t, auth.Principal{}.RequireField("Mutation.accountDelete"), fault.Unauthenticated)
	wantCode(t, auth.Principal{}.RequireRead("Password"), fault.Unauthenticated)
	if apiKey("root", "", "*", "Customers:Read").Can(auth.CustomersRead) {
		t.Error("an unknown scope gave a right")
	}
	half := staff(auth.Admin)
	half.AccountID = uuid.Nil
	wantCode(t, half.Require(auth.CustomersRead), fault.Unauthenticated)
	other := staff(auth.Admin)
	other.Kind = "ROBOT"
	wantCode(t, other.Require(auth.CustomersRead), fault.Forbidden)
}

func TestARefusalNamesThePermissionAndTheRemedy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    auth.Principal
		code fault.Code
		says []string
	}{
		{staff(auth.Viewer), fault.Forbidden, []string{"customers:write", "EDITOR or ADMIN", "VIEWER"}},
		{apiKey("read"), fault.Forbidden, []string{"customers:write", "write, admin"}},
		{auth.Principal{}, fault.Unauthenticated, []string{"Authorization: Bearer"}},
	} {
		err := c.p.RequireField("Mutation.customerCreate")
		wantCode(t, err, c.code)
		for _, part := range c.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("got %q, want it to say %q", err, part)
			}
		}
	}
}

func TestScopeKeysAreEqualExactlyForEqualRights(t *testing.T) {
	t.Parallel()
	accounts := []uuid.UUID{uuid.Max, typeid.New()}
	scopes := auth.Scopes()
	draw := rapid.Custom(func(t *rapid.T) auth.Principal {
		p := auth.Principal{AccountID: rapid.SampledFrom(accounts).Draw(t, "account"), ID: typeid.New(), DisplayName: rapid.String().Draw(t, "name")}
		if rapid.Bool().Draw(t, "staff") {
			p.Kind, p.Role = auth.KindStaff, rapid.SampledFrom(auth.Roles).Draw(t, "role")
		} else {
			p.Kind, p.Scopes = auth.KindAPIKey, rapid.SliceOfN(rapid.SampledFrom(scopes), 0, 4).Draw(t, "scopes")
		}
		return p
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := draw.Draw(t, "p"), draw.Draw(t, "q")
		same := p.AccountID == q.AccountID
		for _, perm := range auth.Permissions() {
			same = same && p.Can(perm) == q.Can(perm)
		}
		if got := p.ScopeKey() == q.ScopeKey(); got != same {
			t.Fatalf("got equal keys %v, want %v for\n%+v\n%+v", got, same, p, q)
		}
	})
	if a, b := staff(auth.Viewer).ScopeKey(), apiKey("read").ScopeKey(); a != b {
		t.Errorf("got %q and %q, want VIEWER and the scope read to share", a, b)
	}
	if got := (auth.Principal{}).ScopeKey(); got != "" {
		t.Errorf("nobody: got %q, want no key", got)
	}
}

func TestNobodyCanGrantMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	must(t, staff(auth.Admin).MayGrant([]string{"admin"}))
	must(t, apiKey("account:admin", "customers:read").MayGrant([]string{"customers:read"}))
	wantCode(t, apiKey("account:admin", "customers:read").MayGrant([]string{"read"}), fault.Forbidden)
	wantCode(t, staff(auth.Editor).MayGrant([]string{"admin"}), fault.Forbidden)
	wantCode(t, auth.Principal{}.MayGrant([]string{"read"}), fault.Unauthenticated)
}

func TestWhatIsTheOperatorsIsNobodyElses(t *testing.T) {
	t.Parallel()
	system, key := auth.System(uuid.Max), apiKey("account:operate", "admin")
	must(t, system.Require(auth.AccountOperate))
	must(t, key.Require(auth.AccountOperate))
	for _, role := range append([]auth.Role{""}, auth.Roles...) {
		wantCode(t, staff(role).Require(auth.AccountOperate), fault.Forbidden)
	}
	for _, scope := range auth.Scopes() {
		if scope != string(auth.AccountOperate) && apiKey(scope).Can(auth.AccountOperate) {
			t.Errorf("the scope %s is the operator's too", scope)
		}
	}
	// Not even a key of the operator's gives it away: only the command line does.
	must(t, system.MayGrant([]string{"account:operate"}))
	for _, p := range []auth.Principal{staff(auth.Admin), apiKey("admin"), key} {
		err := p.MayGrant([]string{"read", "account:operate"})
		wantCode(t, err, fault.Forbidden)
		if !strings.Contains(err.Error(), "dossier keys create") {
			t.Errorf("got %q, want it to name the command", err)
		}
	}
}

func TestTheContextCarriesThePrincipal(t *testing.T) {
	t.Parallel()
	if p, ok := auth.FromContext(context.Background()); ok || !p.IsZero() {
		t.Errorf("got %+v %v, want nobody", p, ok)
	}
	want := staff(auth.Editor)
	got, ok := auth.FromContext(auth.WithPrincipal(t.Context(), want))
	if !ok || got.ID != want.ID {
		t.Errorf("got %+v %v, want %+v", got, ok, want)
	}
	if _, ok := auth.FromContext(auth.WithPrincipal(t.Context(), auth.Principal{})); ok {
		t.Error("the zero principal counts as somebody")
	}
}
