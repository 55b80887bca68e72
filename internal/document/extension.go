package document

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// runs are the extensions that make a desktop or a web server run what is in the file, or hand it to a program that does.
// The content does not matter: the one who opens a document must never start a program.
var runs = words(
	// programs and packages of programs
	"exe com scr pif cpl dll sys drv ocx ex_ msi msp mst msix msixbundle appx appxbundle appinstaller application appref-ms xbap",
	"gadget jar jnlp class war apk aab ipa app workflow command dmg pkg mpkg deb rpm snap flatpakref appimage xpi crx",
	"iso img vhd vhdx cab ade adp mde accde xll xlam ppam dotm wll swf wasm air elf dylib",
	// scripts
	"bat cmd ps1 ps1xml ps2 psm1 psd1 psc1 pssc cdxml vb vbe vbs vbscript js jse mjs cjs jsx ws wsc wsf wsh sct shb shs nsh msc msh hta htc",
	"sh bash zsh csh ksh fish py pyc pyo pyw pyz pl cgi rb php php3 php4 php5 php7 phps pht phtml phar asp aspx asa asax ashx asmx jsp jspx",
	"jspf cfm lua tcl ahk au3 scpt scptd applescript",
	// pages, which run scripts
	"html htm xhtml xht xhtm shtml shtm svg svgz mht mhtml mhtm maff webarchive xsl xslt xul htaccess",
	// what leads to another file or changes settings
	"lnk url website webloc desktop inf ins isp scf reg rdp theme themepack library-ms search-ms searchconnector-ms settingcontent-ms",
	"diagcab diagcfg diagpkg chm hlp",
)

// runningTypes are the media types that a client claims for such files, whatever their names are.
var runningTypes = words(
	"text/html application/xhtml+xml image/svg+xml text/javascript application/javascript application/x-javascript text/ecmascript",
	"application/ecmascript text/vbscript application/hta text/x-php application/x-php application/x-httpd-php application/x-sh",
	"application/x-shellscript text/x-sh application/x-csh application/x-bat application/x-msdos-program application/x-msdownload",
	"application/x-dosexec application/x-ms-installer application/x-msi application/vnd.microsoft.portable-executable application/x-executable",
	"application/x-mach-binary application/java-archive application/x-java-archive application/java-vm application/x-java-jnlp-file",
	"application/vnd.android.package-archive application/x-shockwave-flash application/wasm application/x-ms-shortcut application/x-mswinurl",
	"application/x-debian-package application/vnd.debian.binary-package application/x-rpm multipart/related application/x-mimearchive",
)

// typeOf is the media type that an extension promises, for those that are common. What is not here promises nothing.
var typeOf = map[string]string{
	"jpg": "image/jpeg", "jpeg": "image/jpeg", "jpe": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp",
	"tif": "image/tiff", "tiff": "image/tiff", "bmp": "image/bmp", "heic": "image/heic", "heif": "image/heif", "avif": "image/avif",
	"pdf": "application/pdf", "epub": "application/epub+zip", "rtf": "text/rtf",
	"doc": "application/msword", "dot": "application/msword", "xls": "application/vnd.ms-excel", "xlt": "application/vnd.ms-excel",
	"ppt": "application/vnd.ms-powerpoint", "pps": "application/vnd.ms-powerpoint", "pub": "application/vnd.ms-publisher",
	"msg": "application/vnd.ms-outlook", "one": "application/onenote", "vsdx": "application/vnd.ms-visio.drawing.main+xml",
	"docx": typeWord, "docm": typeWord, "dotx": typeWord, "xlsx": typeSheet, "xlsm": typeSheet, "xltx": typeSheet,
	"pptx": typeSlides, "pptm": typeSlides, "ppsx": typeSlides, "potx": typeSlides,
	"odt": "application/vnd.oasis.opendocument.text", "ott": "application/vnd.oasis.opendocument.text-template",
	"ods": "application/vnd.oasis.opendocument.spreadsheet", "ots": "application/vnd.oasis.opendocument.spreadsheet-template",
	"odp": "application/vnd.oasis.opendocument.presentation", "otp": "application/vnd.oasis.opendocument.presentation-template",
	"odg": "application/vnd.oasis.opendocument.graphics", "odf": "application/vnd.oasis.opendocument.formula",
	"txt": "text/plain", "log": "text/plain", "md": "text/plain", "csv": "text/csv", "tsv": "text/tab-separated-values",
	"json": "application/json", "xml": "text/xml", "vcf": "text/vcard", "ics": "text/calendar", "eml": "message/rfc822",
	"zip": "application/zip", "gz": "application/gzip", "tgz": "application/gzip", "7z": "application/x-7z-compressed",
	"tar": "application/x-tar", "bz2": "application/x-bzip2", "xz": "application/x-xz", "zst": "application/zstd", "rar": "application/vnd.rar",
	"mp3": "audio/mpeg", "m4a": "audio/x-m4a", "aac": "audio/aac", "wav": "audio/wav", "ogg": "audio/ogg", "flac": "audio/flac",
	"mp4": "video/mp4", "m4v": "video/x-m4v", "mov": "video/quicktime", "webm": "video/webm", "avi": "video/x-msvideo",
	"mpg": "video/mpeg", "mpeg": "video/mpeg", "3gp": "video/3gpp", "mkv": "video/matroska",
}

const (
	typeWord   = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	typeSheet  = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	typeSlides = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
)

// extension is the last extension of a name, as the desktop of whoever downloads the file will take it: Windows passes over
// dots and spaces at the end, and characters that are not seen or only look like a dot make no other extension.
func extension(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, norm.NFKC.String(name))
	name = strings.TrimRightFunc(name, func(r rune) bool { return r == '.' || unicode.IsSpace(r) })
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(name[i+1:]))
}

func words(lines ...string) map[string]bool {
	m := map[string]bool{}
	for _, line := range lines {
		for word := range strings.FieldsSeq(line) {
			m[word] = true
		}
	}
	return m
}
