package school

import (
	"strings"
	"testing"
)

func TestReadMix_CountsRowsAndNotWhatIsAround(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3<<20) // more than a buffer
	text := "SET x;\nCOPY school.audit_2023a (a) FROM stdin;\n1\n22\n\\.\n\nCOPY school.audit_2023b (a) FROM stdin;\n\\.\n" +
		"COPY school.document (a) FROM stdin;\n" + long + "\nCOPY school.grade (a) FROM stdin;\n\\.\nCREATE INDEX;\n"
	m, err := ReadMix(strings.NewReader(text))
	if err != nil || m.Bytes != int64(len(text)) || m.Rows != 4 || len(m.Parts) != 2 {
		t.Fatalf("%d parts, %d of %d bytes, %d rows (%v)", len(m.Parts), m.Bytes, len(text), m.Rows, err)
	}
	if p := m.Parts[0]; p.Name != "document" || p.Rows != 2 || p.Bytes != int64(len(long)+1+len("COPY school.grade (a) FROM stdin;\n")) {
		t.Errorf("document: %+v", p)
	}
	if p := m.Parts[1]; p.Name != "audit" || p.Tables != 2 || p.Rows != 2 || p.Bytes != 5 {
		t.Errorf("audit: %+v", p)
	}
}
