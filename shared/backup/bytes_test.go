package backup_test

import (
	"math"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestFormatBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 12_345_678: "12.3 MB", 5 << 30: "5.4 GB", 2_000_000_000_000: "2.0 TB", math.MaxInt64: "9223.4 PB",
	} {
		if got := backup.FormatBytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
