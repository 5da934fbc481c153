package backup

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// IDLength is the length of an id in characters.
const IDLength = ulid.EncodedSize

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// NewID returns a fresh id: a lower-case ULID, so that ids sort by the time they were made.
func NewID() string { return strings.ToLower(ulid.Make().String()) }

// DeriveID returns the id that belongs to at (to the millisecond) and parts: the same input gives the same id, wherever
// and however often it is asked. Two callers that derive the same id race for one record instead of making two.
func DeriveID(at time.Time, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		// The length goes first, so that ("ab","c") and ("a","bc") differ.
		_, _ = fmt.Fprintf(h, "%d:", len(p))
		_, _ = io.WriteString(h, p)
	}
	var id ulid.ULID
	// SetTime fails only past the year 10889.
	_ = id.SetTime(ulid.Timestamp(at))
	_ = id.SetEntropy(h.Sum(nil)[:10])
	return strings.ToLower(id.String())
}

// ValidID reports whether s is an id as NewID makes them. Ids arrive in URLs and become parts of object keys, so nothing
// else is let through.
func ValidID(s string) bool {
	if len(s) != IDLength || s[0] > '7' {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(crockford, s[i]) < 0 {
			return false
		}
	}
	return true
}

// IDTime is when id was made. It is the zero time where id is not valid.
func IDTime(id string) time.Time {
	if !ValidID(id) {
		return time.Time{}
	}
	u, err := ulid.ParseStrict(strings.ToUpper(id))
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(u.Time()).UTC()
}

// FirstID is the lowest id of an instant: ids of that time and later are not lower, ids of any time before are. An id knows its time to the
// millisecond.
func FirstID(at time.Time) string {
	if over := at.Nanosecond() % int(time.Millisecond); over > 0 {
		at = at.Add(time.Millisecond - time.Duration(over))
	}
	if epoch := time.Unix(0, 0); at.Before(epoch) {
		at = epoch
	}
	var id ulid.ULID
	// An id's time is within 1970 and the year 10889, and SetTime fails for no other.
	_ = id.SetTime(min(ulid.Timestamp(at), ulid.MaxTime()))
	return strings.ToLower(id.String())
}

// Complement replaces each Crockford digit d by 31-d, which reverses the order of ids: S3 lists keys in ascending order,
// and a list of complemented ids is newest first. Complementing twice gives the id back. What is no id comes back unchanged.
func Complement(id string) string {
	out := []byte(id)
	for i := range out {
		d := strings.IndexByte(crockford, out[i])
		if d < 0 {
			return id
		}
		out[i] = crockford[31-d]
	}
	return string(out)
}
