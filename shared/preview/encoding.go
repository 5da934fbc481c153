package preview

import (
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// charsets are the encodings of one byte for a character, by the server's names. Those of several bytes are few in use beside UTF8: of
// their texts the ASCII is shown.
var charsets = map[string]*charmap.Charmap{
	"LATIN1": charmap.ISO8859_1, "LATIN2": charmap.ISO8859_2, "LATIN3": charmap.ISO8859_3, "LATIN4": charmap.ISO8859_4, "LATIN5": charmap.ISO8859_9,
	"LATIN6": charmap.ISO8859_10, "LATIN7": charmap.ISO8859_13, "LATIN8": charmap.ISO8859_14, "LATIN9": charmap.ISO8859_15, "LATIN10": charmap.ISO8859_16,
	"ISO_8859_5": charmap.ISO8859_5, "ISO_8859_6": charmap.ISO8859_6, "ISO_8859_7": charmap.ISO8859_7, "ISO_8859_8": charmap.ISO8859_8,
	"KOI8R": charmap.KOI8R, "KOI8U": charmap.KOI8U, "WIN866": charmap.CodePage866, "WIN874": charmap.Windows874,
	"WIN1250": charmap.Windows1250, "WIN1251": charmap.Windows1251, "WIN1252": charmap.Windows1252, "WIN1253": charmap.Windows1253,
	"WIN1254": charmap.Windows1254, "WIN1255": charmap.Windows1255, "WIN1256": charmap.Windows1256, "WIN1257": charmap.Windows1257, "WIN1258": charmap.Windows1258,
}

// decoder gives the text that bytes of an encoding stand for, as valid UTF-8. A database of SQL_ASCII may hold anything: what is UTF-8
// is taken for it.
func decoder(encoding string) func([]byte) string {
	charset, ok := charsets[encoding]
	if !ok {
		return func(b []byte) string { return strings.ToValidUTF8(string(b), "\ufffd") }
	}
	return func(b []byte) string {
		var out strings.Builder
		out.Grow(len(b))
		for _, c := range b {
			out.WriteRune(charset.DecodeByte(c))
		}
		return out.String()
	}
}
