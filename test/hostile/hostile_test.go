package hostile_test

import (
	"testing"

	"dossier/test/hostile"
)

func TestTheCorpusIsWhole(t *testing.T) {
	t.Parallel()
	files := hostile.Files()
	names := map[string]bool{}
	for i, f := range files {
		if names[f.Name] || f.Name == "" || len(f.Content) < 50 {
			t.Errorf("file %d, %q, is there twice or has %d bytes", i+1, f.Name, len(f.Content))
		}
		names[f.Name] = true
	}
	if len(files) != hostile.Size {
		t.Errorf("there are %d files, want %d", len(files), hostile.Size)
	}
}
