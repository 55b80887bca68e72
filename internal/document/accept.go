package document

import "strings"

// acceptGroups are the media types that the names of groups stand for in a list of what is accepted.
var acceptGroups = map[string]func(mediaType string) bool{
	"IMAGE": func(t string) bool { return strings.HasPrefix(t, "image/") },
	"TEXT": anyOf("application/pdf", "text/plain", "text/rtf", "application/msword", "application/vnd.oasis.opendocument.text",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
	"TABLE": anyOf("text/csv", "text/tab-separated-values", "application/vnd.ms-excel", "application/vnd.oasis.opendocument.spreadsheet",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
	"OFFICE": func(t string) bool {
		return strings.HasPrefix(t, "application/vnd.openxmlformats-officedocument.") || strings.HasPrefix(t, "application/vnd.oasis.opendocument.") ||
			strings.HasPrefix(t, "application/vnd.ms-") || t == "application/msword" || t == "application/x-ole-storage" || t == "application/pdf"
	},
	"ARCHIVE": anyOf("application/zip", "application/gzip", "application/x-7z-compressed", "application/x-tar", "application/x-bzip2",
		"application/x-xz", "application/zstd", "application/vnd.rar"),
}

func anyOf(types ...string) func(string) bool {
	m := set(types...)
	return func(t string) bool { return m[t] }
}

// acceptFor says whether a list of media types, ranges such as image/* and groups has a media type. An empty list has all.
func acceptFor(list []string, mediaType string) bool {
	for _, entry := range list {
		group, isGroup := acceptGroups[entry]
		kind, isRange := strings.CutSuffix(entry, "*")
		if isGroup && group(mediaType) || isRange && strings.HasPrefix(mediaType, kind) || entry == mediaType {
			return true
		}
	}
	return len(list) == 0
}
