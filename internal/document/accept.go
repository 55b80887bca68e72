package document

import (
	"maps"
	"slices"
	"strings"
)

// Groups are the kinds of files that people know, by the name that stands for all media types of one in a list of what a
// place accepts. A type can be in several: a workbook is a table and an office document. What is in no group is not accepted
// anywhere, so a type that nobody thought of is refused. HTML, SVG, scripts and programs are missing on purpose: whoever
// opens them runs them.
var Groups = map[string][]string{
	"IMAGE": {
		"image/jpeg", "image/png", "image/apng", "image/gif", "image/webp", "image/tiff", "image/bmp", "image/heic",
		"image/heic-sequence", "image/heif", "image/heif-sequence", "image/avif", "image/jp2", "image/jpx", "image/jxl",
		"image/vnd.adobe.photoshop", "image/vnd.djvu", "image/vnd.dwg", "image/vnd.dxf",
	},
	"TEXT": {
		"text/plain", "text/csv", "text/tab-separated-values", "text/rtf", "text/vcard", "text/calendar", "text/vtt", "text/xml",
		"application/json", "application/x-ndjson", "application/geo+json", "application/gpx+xml",
		"application/vnd.google-earth.kml+xml", "application/vnd.google-earth.kmz", "application/x-subrip", "message/rfc822",
	},
	"TABLE": {
		"text/csv", "text/tab-separated-values", "application/vnd.ms-excel",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		"application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet-template",
	},
	"OFFICE": {
		"application/pdf", "application/postscript", "application/epub+zip", "application/onenote", "text/rtf",
		"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-publisher",
		"application/vnd.ms-outlook", "application/vnd.ms-visio.drawing.main+xml", "application/x-ole-storage",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		"application/vnd.openxmlformats-officedocument.presentationml.presentation",
		"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text-template",
		"application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet-template",
		"application/vnd.oasis.opendocument.presentation", "application/vnd.oasis.opendocument.presentation-template",
		"application/vnd.oasis.opendocument.graphics", "application/vnd.oasis.opendocument.graphics-template",
		"application/vnd.oasis.opendocument.formula", "application/vnd.oasis.opendocument.chart", "application/pkcs7-signature",
	},
	groupArchive: {
		"application/zip", "application/gzip", "application/x-7z-compressed", "application/x-tar", "application/x-bzip2",
		"application/x-xz", "application/zstd", "application/vnd.rar",
	},
	"AUDIO": {
		"audio/mpeg", "audio/mp4", "audio/x-m4a", "audio/aac", "audio/wav", "audio/ogg", "audio/flac", "audio/amr", "audio/aiff",
		"audio/midi", "application/ogg",
	},
	"VIDEO": {
		"video/mp4", "video/x-m4v", "video/quicktime", "video/webm", "video/x-msvideo", "video/mpeg", "video/ogg", "video/3gpp",
		"video/3gpp2", "video/matroska", "video/x-ms-asf", "application/ogg",
	},
}

const groupArchive = "ARCHIVE"

// accepted is the media types of all groups.
var accepted = func() map[string]bool {
	all := map[string]bool{}
	for _, types := range Groups {
		for _, t := range types {
			all[t] = true
		}
	}
	return all
}()

// AcceptedTypes says whether files of the media type are accepted anywhere.
func AcceptedTypes(mediaType string) bool { return accepted[mediaType] }

// Accepts says whether a list accepts files of the media type. Its entries are media types ("image/png"), all types of a
// kind ("image/*") and names of Groups ("IMAGE"). An empty list accepts what is accepted anywhere;
// no list accepts more than that.
func Accepts(list []string, mediaType string) bool {
	if !accepted[mediaType] {
		return false
	}
	return len(list) == 0 || slices.ContainsFunc(list, func(entry string) bool { return accepts(entry, mediaType) })
}

func accepts(entry, mediaType string) bool {
	if kind, all := strings.CutSuffix(entry, "/*"); all {
		of, _, _ := strings.Cut(mediaType, "/")
		return kind == "*" || strings.EqualFold(kind, of)
	}
	return strings.EqualFold(entry, mediaType) || slices.Contains(Groups[entry], mediaType)
}

func set(values ...string) map[string]bool {
	m := make(map[string]bool, len(values))
	for _, v := range values {
		m[v] = true
	}
	return m
}

// acceptedBy is what to tell a client that a list accepts.
func acceptedBy(list []string) []string {
	if len(list) == 0 {
		return slices.Sorted(maps.Keys(Groups))
	}
	return list
}
