//go:build !linux

package postgres_test

import "testing"

func smallDisk(t *testing.T, _ *world, _ int) string {
	t.Helper()
	t.Skip("needs Linux, to mount a small file system")
	return ""
}

func privateServer(t *testing.T) string {
	t.Helper()
	t.Skip("needs Linux, to mount a small file system")
	return ""
}

func privateServerControl(t *testing.T) (string, func(string, ...string)) {
	t.Helper()
	return privateServer(t), nil
}

func fillDisk(*testing.T, string, int64) {}
