package sqltext_test

import (
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/sqltext"
)

func TestItem_PlainCopy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"COPY csv (header, \"where\") FROM stdin": true, "COPY t FROM stdin WITH (FORMAT text, FREEZE)": true, "COPY t FROM stdin DELIMITER ','": true,
		"COPY t FROM stdin CSV": false, "COPY t FROM stdin (FORMAT 'csv')": false, "COPY t FROM stdin (FORMAT \"csv\")": false, "COPY t FROM stdin (HEADER)": false,
		"COPY t FROM stdin WHERE a > 1": false, "COPY t FROM stdin (ON_ERROR ignore)": false,
	} {
		item, err := sqltext.NewScanner(strings.NewReader(text+";\n\\.\n"), sqltext.Options{}).Next()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := item.PlainCopy(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
