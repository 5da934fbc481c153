package postgres_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// privateServer starts a server for one test and returns a superuser's URL. PostgreSQL does not run as root.
func privateServer(t *testing.T) string {
	t.Helper()
	server, _ := privateServerControl(t)
	return server
}

// privateServerControl is privateServer with a way to run PostgreSQL's programs as its user.
func privateServerControl(t *testing.T) (server string, run func(program string, args ...string)) {
	t.Helper()
	return startServer(t, serverDir(t), filepath.Dir(pgDump(t)))
}

// serverDir is a folder for a server of the test's own.
func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "private-postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// startServer makes and starts a server in a folder, with the programs of bin.
func startServer(t *testing.T, dir, bin string) (server string, run func(program string, args ...string)) {
	t.Helper()
	attributes := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skipf("needs a user postgres: %v", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	run = func(program string, args ...string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, program), args...)
		cmd.SysProcAttr, cmd.Dir, cmd.Env = attributes, dir, []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", program, err, out)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	data := filepath.Join(dir, "data")
	run("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	run("pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o",
		fmt.Sprintf("-p %d -k %s -c listen_addresses=127.0.0.1 -c fsync=off", port, dir), "start")
	t.Cleanup(func() { run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop") })
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port), run
}

// smallDisk mounts a file system of a few bytes that the server may write to.
func smallDisk(t *testing.T, w *world, bytes int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	var data string
	if err := w.super.QueryRow(context.Background(), "SHOW data_directory").Scan(&data); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(data)
	if err != nil {
		t.Skipf("needs the server on this machine: %v", err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	dir, err := os.MkdirTemp("", "small-disk")
	if err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("size=%d,uid=%d,gid=%d,mode=0700", bytes, owner.Uid, owner.Gid)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		_ = os.Remove(dir)
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
		_ = os.Remove(dir)
	})
	return dir
}

// fillDisk leaves so many bytes free.
func fillDisk(t *testing.T, dir string, free int64) {
	t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, int64(disk.Bavail)*disk.Bsize-free), 0o600); err != nil {
		t.Fatal(err)
	}
}
