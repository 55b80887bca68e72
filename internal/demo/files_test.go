package demo

import (
	"bytes"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/gabriel-vasile/mimetype"
)

func TestFilesAreWhatTheySay(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	picture, err := picture(rnd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
		t.Errorf("the picture is no PNG: %v", err)
	}
	word, err := docx([]string{"Ein <Absatz> & noch einer"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		content []byte
		want    string
	}{
		{pdf("Vertrag (Entwurf)", []string{"Für Élodie"}), "application/pdf"},
		{picture, "image/png"},
		{word, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	} {
		if got := mimetype.Detect(c.content).String(); got != c.want {
			t.Errorf("detected %s, want %s", got, c.want)
		}
	}
}
