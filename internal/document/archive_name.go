package document

import (
	"hash/maphash"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxEntryName is how many bytes a name in a ZIP may have: file systems allow 255, and a number may be added.
const maxEntryName = 200

// generalFolder is the folder of the documents that are in no area of their own.
const generalFolder = "General"

// archiveNames gives the documents of a ZIP paths that no two of them share, on file systems with and without upper case
// and composed characters. It keeps a hash of each and not the path. The hash has a seed of its own for each ZIP, so nobody
// can make names that collide; two that do by chance get a number that they did not need.
type archiveNames struct {
	seed  maphash.Seed
	taken map[uint64]int32
}

func newArchiveNames() *archiveNames {
	n := &archiveNames{seed: maphash.MakeSeed(), taken: map[uint64]int32{}}
	n.free(contentsName)
	return n
}

// path is <area>/<title>, with the ending of the file.
func (n *archiveNames) path(item ArchiveItem) string {
	folder := generalFolder
	if item.Area != "" {
		if folder, _ = archiveName(item.Area, ""); strings.EqualFold(folder, contentsName) {
			folder = "_" + folder
		}
	}
	name, ending := archiveName(item.Title, item.FileName)
	full := folder + "/" + name
	// How often the name was there already says where to go on counting, so that a thousand equal names are a thousand steps.
	for count := n.free(full); count > 0; {
		numbered := folder + "/" + strings.TrimSuffix(name, ending) + " (" + strconv.Itoa(int(count)+1) + ")" + ending
		if n.free(numbered) == 0 {
			return numbered
		}
		count = n.free(full)
	}
	return full
}

// free takes a path and says how often it was taken before.
func (n *archiveNames) free(path string) int32 {
	key := maphash.String(n.seed, strings.ToLower(norm.NFC.String(path)))
	before := n.taken[key]
	n.taken[key] = before + 1
	return before
}

// archiveName makes a name that every file system takes of a title, and gives it the ending of the file where it lacks it.
//
// SECURITY: whoever unpacks a ZIP lets it choose paths. There is no separator, no "..", no drive, no stream and no device of
// Windows in a name, no control character, and no mark that makes it look like another one.
func archiveName(title, fileName string) (name, ending string) {
	name = norm.NFC.String(strings.Map(func(r rune) rune {
		if deceptive(r) || r == utf8.RuneError || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(title, "_")))
	name = strings.TrimRight(strings.TrimSpace(name), ". ")
	ending = plainEnding(fileName)
	if len(name) >= len(ending) && strings.EqualFold(name[len(name)-len(ending):], ending) {
		ending = name[len(name)-len(ending):] // as it is written in the title
		name = strings.TrimRight(name[:len(name)-len(ending)], ". ")
	}
	for len(name) > maxEntryName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	if name = strings.TrimRight(name, ". "); name == "" {
		name = noName
	}
	if isDevice(name) {
		name = "_" + name
	}
	return name + ending, ending
}

// plainEnding is the ending of a file name, with its dot, if it is one that says something: letters and digits of ASCII.
func plainEnding(fileName string) string {
	ending := path.Ext(fileName)
	if len(ending) < 2 || len(ending) > 16 {
		return ""
	}
	for _, c := range ending[1:] {
		if c >= utf8.RuneSelf || !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return ""
		}
	}
	return ending
}

// isDevice says whether Windows takes a file of the name for a device, whatever its ending.
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem = strings.TrimRight(stem, " "); stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if digit, ok := strings.CutPrefix(stem, port); ok && utf8.RuneCountInString(digit) == 1 && strings.Contains("0123456789¹²³", digit) {
			return true
		}
	}
	return false
}
