package cronkey

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// A key is "brk_", 52 characters that are 256 random bits, and 7 characters that are a CRC-32 of those 52, all in lower-case
// Crockford base 32. The prefix lets people and secret scanners tell what it is; letters, digits and _ alone make a double
// click select the whole; the checksum tells a mistyped or cut key from a wrong one without asking Secrets Manager.
const (
	prefix      = "brk_"
	bodyLength  = 52
	checkLength = 7
	keyLength   = len(prefix) + bodyLength + checkLength
)

var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func newKey() backup.Sensitive {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program if the system gives no randomness
	body := encoding.EncodeToString(b[:])
	return backup.Sensitive(prefix + body + checksum(body))
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	return encoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// WellFormed reports whether s has the form of a key. It says nothing about whether it is the right one.
func WellFormed(s string) bool {
	body, ok := strings.CutPrefix(s, prefix)
	return ok && len(s) == keyLength && body[bodyLength:] == checksum(body[:bodyLength])
}

// mask shows enough of a key to tell two keys apart: the prefix, dots, and the last four characters, which belong to the
// checksum.
func mask(key backup.Sensitive) string {
	s := key.Reveal()
	return prefix + strings.Repeat("•", 12) + s[len(s)-4:]
}

// same compares in constant time. Both sides are hashed first, so that not even the length shows.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// Fingerprint stands for a key where its use is remembered. The key is random enough that nobody finds it by this, and what it is the hash
// of begins with another text, so that it is not the one that recognises a replaced key.
func Fingerprint(key backup.Sensitive) string {
	sum := sha256.Sum256([]byte("use of " + key.Reveal()))
	return hex.EncodeToString(sum[:16])
}

func hash(key backup.Sensitive) string {
	sum := sha256.Sum256([]byte(key.Reveal()))
	return hex.EncodeToString(sum[:])
}
