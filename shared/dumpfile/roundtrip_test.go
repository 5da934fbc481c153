package dumpfile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"testing"
)

// ranger reads parts of a file in memory.
func ranger(file []byte) Ranger {
	return func(offset, length int64) (io.ReadCloser, error) {
		if offset < 0 || length < 0 || offset+length > int64(len(file)) {
			return nil, fmt.Errorf("read %d bytes at %d of %d", length, offset, len(file))
		}
		return io.NopCloser(bytes.NewReader(file[offset : offset+length])), nil
	}
}

// whole is the text of a file, as gunzip gives it.
func whole(t *testing.T, file []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
