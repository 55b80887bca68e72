package typeid_test

import (
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"dossier/internal/typeid"
)

// The vectors are of valid.yml of the TypeID specification.
func TestSpecificationVectors(t *testing.T) {
	t.Parallel()
	for want, u := range map[string]string{
		"prefix_00000000000000000000000000": "00000000-0000-0000-0000-000000000000",
		"prefix_00000000000000000000000001": "00000000-0000-0000-0000-000000000001",
		"prefix_0000000000000000000000000g": "00000000-0000-0000-0000-000000000010",
		"prefix_00000000000000000000000010": "00000000-0000-0000-0000-000000000020",
		"prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz": "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"prefix_0123456789abcdefghjkmnpqrs": "0110c853-1d09-52d8-d73e-1194e95b5f19",
		"prefix_01h455vb4pex5vsknk084sn02q": "01890a5d-ac96-774b-bcce-b302099a8057",
	} {
		if got := typeid.Format("prefix", uuid.MustParse(u)); got != want {
			t.Errorf("Format(%s) = %s, want %s", u, got, want)
		}
		p, id, err := typeid.Parse(want)
		if err != nil || p != "prefix" || id.String() != u {
			t.Errorf("Parse(%s) = %s, %s, %v", want, p, id, err)
		}
	}
}

func TestParseRefusesWhatAppendNeverWrites(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "_", "cus", "cus_", "_00000000000000000000000000", "cus_8zzzzzzzzzzzzzzzzzzzzzzzzz",
		"cus_01H455VB4PEX5VSKNK084SN02Q", "cus_01h455vb4pex5vsknk084sn02", "cus_01h455vb4pex5vsknk084sn02qq",
		"cus_01h455vb4pex5vsknk084sn02u", "cus-01h455vb4pex5vsknk084sn02q",
	} {
		if _, _, err := typeid.Parse(s); err == nil {
			t.Errorf("Parse(%q) accepted", s)
		}
		if _, err := typeid.ParseAs("cus", s); err == nil {
			t.Errorf("ParseAs(cus, %q) accepted", s)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var u uuid.UUID
		copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		p, got, err := typeid.Parse(typeid.Format("cus", u))
		if err != nil || p != "cus" || got != u {
			t.Fatalf("round trip of %s: %s %s %v", u, p, got, err)
		}
	})
}
