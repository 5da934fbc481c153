package backup

import "fmt"

// FormatBytes writes a number of bytes for people to read, such as 12.3 MB: a megabyte is a million bytes, as the console has it.
func FormatBytes(n int64) string {
	const step = 1000
	if n < step {
		return fmt.Sprintf("%d bytes", n)
	}
	f, unit := float64(n)/step, 0
	units := []string{"kB", "MB", "GB", "TB", "PB"}
	for f >= step && unit < len(units)-1 {
		f, unit = f/step, unit+1
	}
	return fmt.Sprintf("%.1f %s", f, units[unit])
}
