package document

import (
	"bytes"
	"encoding/binary"
	"mime"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"dossier/internal/fault"
)

// sniffBytes is how much of a file says what it is. It is what package mimetype looks at: given less, it would take a
// long text for a short one and misjudge it.
const sniffBytes = 4096

// detect gives the media type of a content by its first bytes, without parameters.
func detect(head []byte) string {
	full := mimetype.Detect(head).String()
	if media, _, err := mime.ParseMediaType(full); err == nil {
		return media
	}
	return strings.ToLower(full)
}

// checkFile says of what media type a file is, and refuses one that is not wanted here. The content decides, by its first
// bytes; the name and the type that the client claims are compared with it.
//
// Refused are, in this order:
//   - a name or a claim that makes whoever opens the file run it ("invoice.pdf.exe"), whatever is in it;
//   - a content that is not accepted, or not here: scripts and pages whatever they are called, and what is unknown;
//   - an archive with the name of something else: nobody has seen what is in it, so it must not look like a picture.
//
// Every other difference is put right without a word: a JPEG called "photo.png" is kept under its name as what it is. What
// is two things at once, such as a GIF that is a script too, is harmless by how it is served: as an attachment of the type
// that was found, never as what it could also be. Nothing is ever unpacked.
func checkFile(head []byte, name, claim string, accept, path []string) (mediaType string, err error) {
	ext := extension(name)
	mediaType = refine(detect(head), ext, head)
	if err := checkName(name, claim, mediaType, accept, path); err != nil {
		return "", err
	}
	if !Accepts(accept, mediaType) {
		return "", errUnsupported(mediaType, accept, path, "The content of the file is %s, which is not accepted here, whatever its name says. %s",
			describe(mediaType), remedy(accept))
	}
	if promised := typeOf[ext]; promised != "" && isArchive(mediaType) && !isArchive(promised) {
		return "", errUnsupported(mediaType, accept, path,
			"The file is an archive (%s), but its name ends in .%s. Rename it to what it is, or send the file that is in it.", mediaType, ext)
	}
	return mediaType, nil
}

// checkName refuses a file by its name and the claimed type alone, which are known before its first byte. found is the type
// of the content, as far as it is known.
func checkName(name, claim, found string, accept, path []string) error {
	if ext := extension(name); runs[ext] {
		return errUnsupported(found, accept, path,
			"The name of the file ends in .%s. Such a file is run by whoever opens it, so it is refused whatever is in it. %s", ext, remedy(accept))
	}
	if media, _, err := mime.ParseMediaType(claim); err == nil && runningTypes[media] {
		return errUnsupported(found, accept, path,
			"The file was sent as %s. Such a file is run by whoever opens it, so it is refused whatever is in it. %s", media, remedy(accept))
	}
	return nil
}

const octetStream = "application/octet-stream"

func errUnsupported(mediaType string, accept, path []string, format string, args ...any) error {
	e := fault.At(fault.UnsupportedMediaType, path, format, args...)
	e.Detail = fault.MediaTypeDetail{ContentType: mediaType, Accepted: acceptedBy(accept)}
	return e
}

func remedy(accept []string) string {
	if len(accept) == 0 {
		return "Accepted are images, PDF, office documents, text, tables, archives, audio and video."
	}
	return "Accepted are: " + strings.Join(accept, ", ") + "."
}

func describe(mediaType string) string {
	if mediaType == octetStream {
		return "of no known type"
	}
	return "of the type " + mediaType
}

func isArchive(mediaType string) bool { return accepts(groupArchive, mediaType) }

// refine says more exactly what a content is, by its extension, where the first bytes leave several things open that are
// equally harmless: which kind of plain text it is, which office document a container holds.
func refine(mediaType, ext string, head []byte) string {
	promised := typeOf[ext]
	switch mediaType {
	case "text/plain", "text/csv", "text/tab-separated-values":
		// A table with one column looks like a text, and a text with commas like a table.
		switch promised {
		case "text/plain", "text/csv", "text/tab-separated-values":
			return promised
		}
	case "application/x-ole-storage":
		switch promised {
		case "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-outlook", "application/vnd.ms-publisher":
			return promised
		}
	case "application/zip":
		if packageOf(promised, head) {
			return promised
		}
	}
	return mediaType
}

// The names with which the parts of office documents begin. A document whose first parts are long has no part among its
// first bytes that tells of which kind it is, but none either that a plain archive would begin with.
var (
	openXMLParts      = []string{"[Content_Types].xml", "_rels/", "docProps/", "customXml/", "word/", "xl/", "ppt/", "visio/"}
	openDocumentParts = []string{"mimetype", "content.xml", "styles.xml", "meta.xml", "settings.xml", "manifest.rdf", "Thumbnails/", "Configurations2/"}
)

// packageOf says whether a ZIP begins as an office document of the type does.
func packageOf(mediaType string, head []byte) bool {
	parts := openXMLParts
	switch {
	case strings.HasPrefix(mediaType, "application/vnd.oasis.opendocument."):
		parts = openDocumentParts
	case !strings.HasPrefix(mediaType, "application/vnd.openxmlformats-officedocument.") && !strings.HasPrefix(mediaType, "application/vnd.ms-visio."):
		return false
	}
	const headerLen = 30 // of the header of a file in a ZIP, before its name
	if len(head) < headerLen || !bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return false
	}
	n := int(binary.LittleEndian.Uint16(head[26:]))
	name := string(head[headerLen:min(len(head), headerLen+n)])
	for _, part := range parts {
		if name == part || strings.HasSuffix(part, "/") && strings.HasPrefix(name, part) {
			return true
		}
	}
	return false
}
