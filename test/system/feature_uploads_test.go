package system

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/test/samples"
)

// way is one of the two ways up: what a client does with a file, and the answer, the document at "document".
type way func(t *testing.T, a actor, customer string, f file) (document any, errs []map[string]any)

var ways = map[string]way{
	"streamed": streamed,
	"direct, one PUT": func(t *testing.T, a actor, c string, f file) (any, []map[string]any) {
		return direct(t, a, c, f, "PUT")
	},
	"direct, and resumed": func(t *testing.T, a actor, c string, f file) (any, []map[string]any) {
		return direct(t, a, c, f, "RESUMABLE")
	},
}

const uploadWithLimits = `mutation($input: DocumentUploadInput!, $files: [Upload!]!) { documentUpload(input: $input, files: $files) {
	results { fileName document { id version title kind source currentVersion { number sha256 sizeBytes contentType fileName } }
		userErrors { __typename code message path ... on FileTooLargeError { limitBytes } ... on UnsupportedMediaTypeError { contentType accepted } } }` +
	errorFields + ` } }`

func streamed(t *testing.T, a actor, customer string, f file) (any, []map[string]any) {
	t.Helper()
	r, err := a.sendMultipart(t.Context(), uploadWithLimits, map[string]any{"input": map[string]any{"customerId": customer}, "files": []any{nil}},
		[]string{"variables.files.0"}, []file{f})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) > 0 {
		return nil, []map[string]any{{"code": r.Code(), "message": r.Errors[0].Message}}
	}
	return at(r.Data, "documentUpload.results.0.document"), userErrors(r)
}

func direct(t *testing.T, a actor, customer string, f file, method string) (any, []map[string]any) {
	t.Helper()
	r := a.do(t, beginUpload, map[string]any{"input": map[string]any{
		"customerId": customer, "fileName": f.name, "sizeBytes": len(f.content), "contentType": f.contentType, "method": method,
	}})
	if len(r.Errors) > 0 {
		return nil, []map[string]any{{"code": r.Code(), "message": r.Errors[0].Message}}
	}
	if errs := userErrors(r); len(errs) > 0 {
		return nil, errs
	}
	session := at(r.Data, "documentUploadBegin.uploadSession")
	if status := a.sendTo(t, session, f.content); status != http.StatusOK {
		t.Fatalf("%s: the store answers %d", f.name, status)
	}
	r = a.do(t, completeUpload, map[string]any{"id": text(session, "id")})
	return at(r.Data, "documentUploadComplete.document"), userErrors(r)
}

// sendTo sends everything at once to a session.
func (a actor) sendTo(t testing.TB, session any, content []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), text(session, "uploadMethod"), text(session, "uploadUrl"), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range list(session, "uploadHeaders") {
		req.Header.Set(text(h, "name"), text(h, "value"))
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestRowA4StaffUploadFilesDirectly(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Files")
	for name, up := range ways {
		f := pdf("Contract.pdf", 70_000)
		document, errs := up(t, a, customer, f)
		if len(errs) > 0 {
			t.Fatalf("%s: %v", name, errs)
		}
		v := at(document, "currentVersion")
		if text(document, "title") != "Contract.pdf" || text(v, "fileName") != "Contract.pdf" || text(v, "sha256") != f.sha256() ||
			number(v, "sizeBytes") != 70_000 || text(v, "contentType") != "application/pdf" || number(v, "number") != 1 {
			t.Errorf("%s: the document is %v", name, document)
		}
		a.wantContent(t, text(document, "id"), f.sha256())
		// Somebody who may only read is refused by each way.
		if _, errs := up(t, staff(t, s, auth.Viewer), customer, f); len(errs) != 1 || text(errs[0], "code") != "FORBIDDEN" {
			t.Errorf("%s: a viewer gets %v, want FORBIDDEN", name, errs)
		}
	}
	data := a.must(t, `query($id: ID!) { customer(id: $id) { documents { totalCount nodes { title } } timeline { nodes { kind } } } storage { usedBytes reservedBytes } }`,
		map[string]any{"id": customer})
	if number(data, "customer.documents.totalCount") != 3 || len(list(data, "customer.timeline.nodes")) < 3 ||
		number(data, "storage.usedBytes") != 210_000 || number(data, "storage.reservedBytes") != 0 {
		t.Errorf("the profile shows %v", data)
	}
}

func TestRowA5SeveralFilesAtOnceHaveAResultEach(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Dropped")
	files := []file{
		{"a.png", "image/png", []byte(samples.PNG())},
		{"b.exe", "application/x-msdownload", []byte("MZ\x90\x00\x03\x00\x00\x00")},
		{"c.pdf", "application/pdf", nil},
		{"d.jpg", "image/jpeg", []byte(samples.JPEG())},
	}
	r, err := a.upload(t.Context(), customer, "", files...)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "UNSUPPORTED_MEDIA_TYPE", "BAD_USER_INPUT", ""} {
		result := at(r.Data, fmt.Sprintf("documentUpload.results.%d", i))
		if text(result, "fileName") != files[i].name || text(result, "userErrors.0.code") != want || (text(result, "document.id") != "") != (want == "") {
			t.Errorf("file %d: %v, want the code %q", i, result, want)
		}
	}
	if n := number(a.must(t, `query($id: ID!) { customer(id: $id) { documents { totalCount } } }`, map[string]any{"id": customer}), "customer.documents.totalCount"); n != 2 {
		t.Errorf("%d documents, want the two good ones", n)
	}
}

func TestRowA6CommonFormatsAreAccepted(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Formats")
	const openXML = "application/vnd.openxmlformats-officedocument."
	for _, c := range []struct{ name, claim, content, want string }{
		{"letter.doc", "application/msword", samples.Compound("WordDocument"), "application/msword"},
		{"letter.docx", openXML + "wordprocessingml.document", samples.OpenXML("word"), openXML + "wordprocessingml.document"},
		{"photo.jpg", "image/jpeg", samples.JPEG(), "image/jpeg"},
		{"photo.png", "image/png", samples.PNG(), "image/png"},
		{"contract.pdf", "application/pdf", samples.PDF, "application/pdf"},
		{"letter.odt", "", samples.OpenDocument("application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text"},
		// Wrong names that hurt nobody are put right.
		{"really a jpeg.png", "image/png", samples.JPEG(), "image/jpeg"},
	} {
		for name, up := range ways {
			document, errs := up(t, a, customer, file{c.name, c.claim, []byte(c.content)})
			if len(errs) > 0 || text(document, "currentVersion.contentType") != c.want || text(document, "currentVersion.fileName") != c.name {
				t.Errorf("%s, %s: got %v %v, want %s", c.name, name, document, errs, c.want)
			}
		}
	}
	for _, c := range []struct{ name, claim, content, found string }{
		{"invoice.pdf.exe", "application/pdf", samples.PDF, "application/pdf"},
		{"invoice.exe", "", samples.PDF, "application/pdf"},
		{"page.pdf", "application/pdf", "<!DOCTYPE html><script>alert(1)</script>", "text/html"},
		{"logo.svg", "image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"},
		{"logo.png", "image/png", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml"},
		{"program.pdf", "application/pdf", "MZ\x90\x00\x03\x00\x00\x00", "application/vnd.microsoft.portable-executable"},
		{"photo.jpg", "image/jpeg", samples.Zip("a.txt"), "application/zip"},
	} {
		for name, up := range ways {
			_, errs := up(t, a, customer, file{c.name, c.claim, []byte(c.content)})
			if len(errs) != 1 || text(errs[0], "__typename") != "UnsupportedMediaTypeError" || len(list(errs[0], "accepted")) != 7 || len(list(errs[0], "path")) == 0 {
				t.Errorf("%s, %s: got %v, want it refused", c.name, name, errs)
				continue
			}
			// The direct way refuses a name before it knows the content.
			if got := text(errs[0], "contentType"); got != c.found && (name == "streamed" || got != "application/octet-stream") {
				t.Errorf("%s, %s: found %s, want %s", c.name, name, got, c.found)
			}
		}
	}
	wantInvariants(t, database(t, s), s.DataDir)
}

func TestRowE4AFileHasFiveMegabytesAtMost(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Five megabytes")
	for name, up := range ways {
		if _, errs := up(t, a, customer, pdf("most.pdf", 5_000_000)); len(errs) > 0 {
			t.Errorf("%s: 5,000,000 bytes are refused: %v", name, errs)
		}
		_, errs := up(t, a, customer, pdf("more.pdf", 5_000_001))
		if len(errs) != 1 || text(errs[0], "__typename") != "FileTooLargeError" || number(errs[0], "limitBytes") != 5_000_000 {
			t.Errorf("%s: 5,000,001 bytes give %v, want FileTooLargeError with the limit", name, errs)
		}
	}
	wantInvariants(t, database(t, s), s.DataDir)
}

func TestRowE5ImageTextTablesAndArchivesAreAccepted(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "All common formats")
	for _, c := range []struct{ name, content, want string }{
		{"photo.gif", samples.GIF(), "image/gif"},
		{"note.txt", "Dear Ada, see you.\nBob\n", "text/plain"},
		{"table.csv", "name,place\nAda,London\n", "text/csv"},
		{"column.csv", "name\nAda\n", "text/csv"},
		{"plan.xls", samples.Compound("Workbook"), "application/vnd.ms-excel"},
		{"plan.xlsx", samples.OpenXML("xl"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		{"all.zip", samples.Zip("a.txt", "b.txt"), "application/zip"},
		{"all.tar", samples.Tar(), "application/x-tar"},
		{"all.tar.gz", samples.Gzip(), "application/gzip"},
	} {
		for name, up := range ways {
			document, errs := up(t, a, customer, file{c.name, "application/octet-stream", []byte(c.content)})
			if len(errs) > 0 || text(document, "currentVersion.contentType") != c.want {
				t.Errorf("%s, %s: got %v %v, want %s", c.name, name, document, errs, c.want)
			}
		}
	}
	// An archive is kept as it is: of one that would unpack to 2 GB nobody ever sees more than the 2 MB that were sent.
	before := procNumber(t, s, "status", "VmRSS")
	bomb := file{"bomb.zip", "application/zip", []byte(samples.ZipBomb(2 << 30))}
	for name, up := range ways {
		document, errs := up(t, a, customer, bomb)
		if len(errs) > 0 || number(document, "currentVersion.sizeBytes") != int64(len(bomb.content)) {
			t.Errorf("%s: got %v %v", name, document, errs)
			continue
		}
		a.wantContent(t, text(document, "id"), bomb.sha256())
	}
	if grown := (procNumber(t, s, "status", "VmRSS") - before) >> 10; grown > 64 && !apitest.Raced() {
		t.Errorf("the server grew by %d MiB", grown)
	}
}

// TestADirectUploadThatIsCancelledGivesItsRoomBack fills the storage with a reservation and takes it back.
func TestADirectUploadThatIsCancelledGivesItsRoomBack(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	db := database(t, s)
	exec(t, db, `UPDATE storage_usage SET limit_bytes = 5000000`)
	customer := a.customer(t, "Room")
	storage := func() (used, reserved int64) {
		data := a.must(t, `{ storage { usedBytes reservedBytes } }`, nil)
		return number(data, "storage.usedBytes"), number(data, "storage.reservedBytes")
	}
	for _, method := range []string{"PUT", "RESUMABLE"} {
		input := map[string]any{"customerId": customer, "fileName": "room.pdf", "sizeBytes": 5_000_000, "method": method}
		session := at(a.must(t, beginUpload, map[string]any{"input": input}), "documentUploadBegin.uploadSession")
		if _, reserved := storage(); reserved != 5_000_000 {
			t.Errorf("%s: %d bytes are reserved", method, reserved)
		}
		if r := a.do(t, beginUpload, map[string]any{"input": input}); !slices.Equal(codes(r), []string{"QUOTA_EXCEEDED"}) {
			t.Errorf("%s: a second one gives %v", method, codes(r))
		}
		a.sendTo(t, session, pdf("room.pdf", 5_000_000).content)
		for range 2 {
			data := a.must(t, cancelUpload, map[string]any{"id": text(session, "id")})
			if text(data, "documentUploadCancel.uploadSessionId") != text(session, "id") {
				t.Errorf("%s: got %v", method, data)
			}
		}
		if used, reserved := storage(); used != 0 || reserved != 0 {
			t.Errorf("%s: %d bytes are used and %d reserved after it was cancelled", method, used, reserved)
		}
		if got := codes(a.do(t, completeUpload, map[string]any{"id": text(session, "id")})); !slices.Equal(got, []string{"CONFLICT"}) {
			t.Errorf("%s: completing it gives %v", method, got)
		}
	}
	document, errs := direct(t, a, customer, pdf("room.pdf", 5_000_000), "RESUMABLE")
	if len(errs) > 0 || !strings.HasPrefix(text(document, "id"), "doc_") {
		t.Errorf("afterwards there is no room: %v", errs)
	}
	wantInvariants(t, db, s.DataDir)
}
