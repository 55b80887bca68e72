package document

import (
	"mime"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"dossier/internal/fault"
)

// sniffBytes is how much of a file says what it is. It is what package mimetype looks at: given less, it would take a
// long text for a short one and misjudge it.
const sniffBytes = 4096

// accepted is the media types that an account accepts: what people keep about a customer. It names what is allowed, so
// that a type nobody thought of is refused; HTML, SVG, scripts and programs are missing on purpose, because whoever
// opens them runs them.
var accepted = set(
	// images
	"image/jpeg", "image/png", "image/apng", "image/gif", "image/webp", "image/tiff", "image/bmp", "image/heic",
	"image/heic-sequence", "image/heif", "image/heif-sequence", "image/avif", "image/jp2", "image/jpx", "image/jxl",
	"image/vnd.adobe.photoshop", "image/vnd.djvu", "image/vnd.dwg", "image/vnd.dxf",
	// documents
	"application/pdf", "application/postscript", "application/epub+zip", "application/onenote",
	"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-publisher",
	"application/vnd.ms-outlook", "application/vnd.ms-visio.drawing.main+xml", "application/x-ole-storage",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text-template",
	"application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet-template",
	"application/vnd.oasis.opendocument.presentation", "application/vnd.oasis.opendocument.presentation-template",
	"application/vnd.oasis.opendocument.graphics", "application/vnd.oasis.opendocument.graphics-template",
	"application/vnd.oasis.opendocument.formula", "application/vnd.oasis.opendocument.chart",
	"application/pkcs7-signature",
	// text and tables
	"text/plain", "text/csv", "text/tab-separated-values", "text/rtf", "text/vcard", "text/calendar", "text/vtt",
	"text/xml", "application/json", "application/x-ndjson", "application/geo+json", "application/gpx+xml",
	"application/vnd.google-earth.kml+xml", "application/vnd.google-earth.kmz", "application/x-subrip", "message/rfc822",
	// archives
	"application/zip", "application/gzip", "application/x-7z-compressed", "application/x-tar", "application/x-bzip2",
	"application/x-xz", "application/zstd", "application/vnd.rar",
	// audio and video
	"audio/mpeg", "audio/mp4", "audio/x-m4a", "audio/aac", "audio/wav", "audio/ogg", "audio/flac", "audio/amr", "audio/aiff",
	"audio/midi", "application/ogg", "video/mp4", "video/x-m4v", "video/quicktime", "video/webm", "video/x-msvideo",
	"video/mpeg", "video/ogg", "video/3gpp", "video/3gpp2", "video/matroska", "video/x-ms-asf",
)

// AcceptedTypes says whether files of the media type are accepted.
func AcceptedTypes(mediaType string) bool { return accepted[mediaType] }

func set(values ...string) map[string]bool {
	m := make(map[string]bool, len(values))
	for _, v := range values {
		m[v] = true
	}
	return m
}

// detect gives the media type of a content by its first bytes, without parameters.
func detect(head []byte) string {
	full := mimetype.Detect(head).String()
	if media, _, err := mime.ParseMediaType(full); err == nil {
		return media
	}
	return strings.ToLower(full)
}

// checkType refuses a content that is not accepted.
func checkType(mediaType string, path []string) error {
	if accepted[mediaType] {
		return nil
	}
	e := fault.At(fault.UnsupportedMediaType, path, "The content of the file is %s, which is not accepted, whatever its name says. "+
		"Accepted are images, PDF, office documents, text, tables, archives, audio and video.", describe(mediaType))
	e.Detail = fault.MediaTypeDetail{ContentType: mediaType}
	return e
}

func describe(mediaType string) string {
	if mediaType == "application/octet-stream" {
		return "of no known type"
	}
	return "of the type " + mediaType
}
