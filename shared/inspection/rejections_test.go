package inspection_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/inspection"
)

const (
	head = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 16.4 (Debian 16.4-1)\n-- Dumped by pg_dump version 17.1\n\nSET client_encoding = 'UTF8';\n"
	end  = "--\n-- PostgreSQL database dump complete\n--\n\n"
)

func utf16Text(order binary.ByteOrder, mark bool, text string) string {
	var b bytes.Buffer
	if mark {
		text = "\ufeff" + text
	}
	for _, u := range utf16.Encode([]rune(text)) {
		_ = binary.Write(&b, order, u)
	}
	return b.String()
}

// What a file is instead is said, and in which line.
func TestInspect_RejectsWhatIsNoDump(t *testing.T) {
	t.Parallel()
	tar := "toc.dat" + strings.Repeat("\x00", 250) + "ustar\x0000" + strings.Repeat("\x00", 300)
	for name, c := range map[string]struct {
		text string
		code backup.Code
		says string
	}{
		"custom format":           {"PGDMP\x01\x0e\x00\x04\x08", backup.CodeNotSQL, "custom format"},
		"tar":                     {tar, backup.CodeNotSQL, "tar archive"},
		"zip":                     {"PK\x03\x04\x14\x00", backup.CodeNotSQL, "zip"},
		"xz":                      {"\xfd7zXZ\x00\x00", backup.CodeNotSQL, "xz"},
		"bzip2":                   {"BZh91AY&SY", backup.CodeNotSQL, "bzip2"},
		"zstd":                    {"\x28\xb5\x2f\xfd\x24", backup.CodeNotSQL, "zstd"},
		"7z":                      {"7z\xbc\xaf\x27\x1c\x00\x04", backup.CodeNotSQL, "7z"},
		"SQLite":                  {"SQLite format 3\x00\x10\x00", backup.CodeNotSQL, "SQLite"},
		"PDF":                     {"%PDF-1.7\n%\xe2\xe3", backup.CodeNotSQL, "PDF"},
		"ELF":                     {"\x7fELF\x02\x01\x01\x00", backup.CodeNotSQL, "program"},
		"random bytes":            {"\x9c\x00\x17\x01\xff\x00\x00SELECT", backup.CodeNotSQL, "binary"},
		"HTML":                    {"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", backup.CodeNotSQL, "HTML"},
		"HTML behind spaces":      {"\n\n  <html lang=en>", backup.CodeNotSQL, "HTML"},
		"S3's error":              {"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>", backup.CodeNotSQL, "error message of S3"},
		"XML":                     {"<?xml version=\"1.0\"?>\n<dump/>", backup.CodeNotSQL, "XML"},
		"JSON":                    {"{\"a\": 1}", backup.CodeNotSQL, "JSON"},
		"JSON list":               {"[{\"a\": 1}]", backup.CodeNotSQL, "JSON"},
		"CSV":                     {"id,name,born\n1,Anna,2010-01-01\n", backup.CodeNotSQL, "CSV"},
		"CSV of numbers":          {"1;2;3\n4;5;6\n", backup.CodeNotSQL, "CSV"},
		"CSV in quotes":           {"\"id\",\"name\"\n\"1\",\"it's\"\n", backup.CodeNotSQL, "CSV"},
		"CSV with a keyword":      {"comment,author\nx,y\n", backup.CodeNotSQL, "CSV"},
		"table with tabs":         {"id\tname\n1\tAnna\n", backup.CodeNotSQL, "CSV"},
		"prose":                   {"Dear colleague, the dump follows.\n", backup.CodeNotSQL, "something else"},
		"UTF-16":                  {utf16Text(binary.LittleEndian, true, "SELECT 1;\n"), backup.CodeNotSQL, "UTF-16"},
		"UTF-16 big endian":       {utf16Text(binary.BigEndian, true, "SELECT 1;\n"), backup.CodeNotSQL, "UTF-16"},
		"UTF-16 without mark":     {utf16Text(binary.LittleEndian, false, "SELECT 1;\n"), backup.CodeNotSQL, "UTF-16"},
		"UTF-32":                  {"\xff\xfe\x00\x00S\x00\x00\x00", backup.CodeNotSQL, "UTF-32"},
		"NUL further on":          {strings.Repeat("SELECT 1;\n", 200) + "SELECT '\x00';\n", backup.CodeNotSQL, "Line 201 has a NUL"},
		"latin1 in a statement":   {"SELECT 1;\nINSERT INTO t VALUES ('a\nGr\xf6\xdfe');\n", backup.CodeNotSQL, "Line 3 "},
		"latin1 in rows":          {"COPY t (a) FROM stdin;\na\nb\nGr\xf6\xdfe\n\\.\n", backup.CodeNotSQL, "Line 4 "},
		"latin1 at the rows' end": {"COPY t (a) FROM stdin;\na\nb\xc3\n\\.\n", backup.CodeNotSQL, "Line 3 "},
		"empty":                   {"", backup.CodeNotSQL, "empty"},
		"only comments":           {"-- nothing\n/* at all */\n;;\n", backup.CodeNotSQL, "no SQL statement"},
		"only spaces":             {" \n\n", backup.CodeNotSQL, "no SQL statement"},

		"mysqldump":          {"-- MySQL dump 10.13  Distrib 8.0.36\n--\nCREATE TABLE t (a int);\n", backup.CodeWrongEngine, "MySQL or MariaDB, not for PostgreSQL: see line 1"},
		"mariadb-dump":       {"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n", backup.CodeWrongEngine, "line 1"},
		"conditional":        {"-- x\n\n/*!40101 SET NAMES utf8 */;\n", backup.CodeWrongEngine, "line 3"},
		"backquotes":         {"SELECT 1;\nCREATE TABLE `t` (`a` int);\n", backup.CodeWrongEngine, "line 2"},
		"backquoted insert":  {"INSERT INTO `t` VALUES (1);\n", backup.CodeWrongEngine, "line 1"},
		"backquoted drop":    {"DROP TABLE IF EXISTS `t`;\n", backup.CodeWrongEngine, "line 1"},
		"engine":             {"CREATE TABLE t (a int) ENGINE=InnoDB DEFAULT CHARSET=utf8;\n", backup.CodeWrongEngine, "MySQL"},
		"auto_increment":     {"CREATE TABLE t (a int(11) NOT NULL AUTO_INCREMENT);\n", backup.CodeWrongEngine, "MySQL"},
		"use":                {"CREATE SCHEMA a;\nUSE a;\n", backup.CodeWrongEngine, "line 2"},
		"variables":          {"SET @old = @@sql_mode;\n", backup.CodeWrongEngine, "MySQL"},
		"foreign key checks": {"SET FOREIGN_KEY_CHECKS=0;\n", backup.CodeWrongEngine, "MySQL"},
		"lock tables":        {"LOCK TABLES t WRITE;\n", backup.CodeWrongEngine, "MySQL"},
		"SQLite's dump":      {"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n", backup.CodeWrongEngine, "SQLite"},
		"SQL Server":         {"USE [master]\nGO\nCREATE TABLE [dbo].[t] ([a] int);\n", backup.CodeWrongEngine, "SQL Server"},
		"SQL Server's table": {"CREATE TABLE [dbo].[t] ([a] int);\n", backup.CodeWrongEngine, "SQL Server"},
		"Oracle":             {"CREATE TABLE t (a VARCHAR2(10));\n", backup.CodeWrongEngine, "Oracle"},

		"cut in a statement":      {"SELECT 1;\nSELECT 2\n\n", backup.CodeFileCut, "line 4 inside a statement, which began at line 2"},
		"cut in a string":         {"SELECT 1;\nSELECT 'a\nb", backup.CodeFileCut, "line 3 inside a quoted string, which began at line 2"},
		"cut in a dollar quote":   {"SELECT 1;\nDO $$ a\nb", backup.CodeFileCut, "inside a dollar-quoted string"},
		"cut in a name":           {"SELECT 1;\nSELECT \"a\nb", backup.CodeFileCut, "inside a quoted identifier"},
		"cut in a comment":        {"SELECT 1;\n/* a\nb", backup.CodeFileCut, "line 3 inside a comment, which began at line 2"},
		"cut in rows":             {"SELECT 1;\nCOPY t FROM stdin;\na\nb\n", backup.CodeFileCut, "line 5 inside rows of COPY, which began at line 2"},
		"cut in a row":            {"COPY t FROM stdin;\na\nb", backup.CodeFileCut, "line 3 inside rows of COPY"},
		"cut in a transaction":    {"SELECT 1;\nBEGIN;\nSELECT 2;\n", backup.CodeFileCut, "the COMMIT for line 2 is missing"},
		"no end mark":             {head + "SELECT 1;\n", backup.CodeFileCut, "the end mark of pg_dump is missing"},
		"statement behind mark":   {head + end + "SELECT 1;\n", backup.CodeFileCut, "the end mark of pg_dump is missing"},
		"two dumps, the last cut": {head + "SELECT 1;\n" + end + head + "SELECT 1;\n", backup.CodeFileCut, "the end mark"},

		"dump of a server":    {"--\n-- PostgreSQL database cluster dump\n--\n\nSET default_transaction_read_only = off;\n-- PostgreSQL database cluster dump complete\n", backup.CodeDangerous, "pg_dumpall"},
		"encoding of quotes":  {"SET client_encoding = 'SJIS';\n", backup.CodeDangerous, "can't be read safely"},
		"ambiguous backslash": {"SET standard_conforming_strings = off; SELECT '\\';\n", backup.CodeDangerous, "Line 1 can't be read safely"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range map[string]io.Reader{"plain": strings.NewReader(c.text), "gzip": bytes.NewReader(zip(t, c.text)),
				"byte by byte": iotest.OneByteReader(strings.NewReader(c.text)), "with its end": iotest.DataErrReader(strings.NewReader(c.text))} {
				_, err := inspect(r)
				var e *backup.Error
				if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Text, c.says) || e.Hint == "" {
					t.Fatalf("got %v, want %s: … %s …", err, c.code, c.says)
				}
			}
		})
	}
}

// Compression that is cut, broken or followed by something else is noticed.
func TestInspect_RejectsBrokenCompression(t *testing.T) {
	t.Parallel()
	text := head + strings.Repeat("SELECT 'some text that has to be compressed';\n", 3000) + end
	good := zip(t, text)
	broken := bytes.Clone(good)
	broken[len(broken)-6]++ // of the checksum
	for name, c := range map[string]struct {
		file []byte
		code backup.Code
		says string
	}{
		"cut":                    {good[:len(good)/2], backup.CodeFileCut, "its gzip stream is cut, at line"},
		"cut in the checksum":    {good[:len(good)-4], backup.CodeFileCut, "is cut"},
		"cut in the header":      {good[:7], backup.CodeFileCut, "is cut"},
		"only the magic":         {good[:2], backup.CodeFileCut, "is cut"},
		"damaged":                {broken, backup.CodeFileCut, "is damaged"},
		"garbage behind":         {append(bytes.Clone(good), "-- some text\n"...), backup.CodeFileCut, "Behind the compressed data"},
		"zeros behind":           {append(bytes.Clone(good), make([]byte, 512)...), backup.CodeFileCut, "Behind the compressed data"},
		"half a member behind":   {append(bytes.Clone(good), good[:100]...), backup.CodeFileCut, "is cut"},
		"garbage behind a short": {append(zip(t, "SELECT 1;\n"), "0123456789abc"...), backup.CodeFileCut, "Behind the compressed data"},
		"twice":                  {zip(t, string(good)), backup.CodeNotSQL, "compressed twice"},
		"a tar inside":           {zip(t, strings.Repeat("\x00", 257)+"ustar\x0000"+strings.Repeat("\x00", 300)), backup.CodeNotSQL, "tar archive"},
		"custom format inside":   {zip(t, "PGDMP\x01\x0e"), backup.CodeNotSQL, "custom format"},
		"nothing inside":         {zip(t, ""), backup.CodeNotSQL, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{1, 7, 1 << 20} {
				found, err := inspect(pieces{bytes.NewReader(c.file), n})
				var e *backup.Error
				if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Text, c.says) || e.Hint == "" {
					t.Fatalf("in pieces of %d: got %v, want %s: … %s …", n, err, c.code, c.says)
				}
				if c.code == backup.CodeFileCut && (found.Inspection.Completeness != backup.Cut || found.Inspection.CutAt == 0 || found.Inspection.CutIn == "") {
					t.Errorf("found %+v", found.Inspection)
				}
			}
		})
	}
}

// Bombs and endless statements are stopped, without reading them to their end.
func TestInspect_KeepsToItsLimits(t *testing.T) {
	t.Parallel()
	bomb := zip(t, "SELECT '"+strings.Repeat("x", 80<<20)+"';\n")
	if r := int64(80<<20) / int64(len(bomb)); r < 300 {
		t.Fatalf("the bomb is %d : 1 only", r)
	}
	for name, c := range map[string]struct {
		file   []byte
		limits inspection.Limits
		says   string
	}{
		"ratio":     {bomb, inspection.Limits{}, "more than 250 times"},
		"bytes":     {[]byte(strings.Repeat("SELECT 1;\n", 1000)), inspection.Limits{SQLBytes: 5000}, "more than 5000 bytes"},
		"statement": {[]byte("SELECT 1;\nSELECT '" + strings.Repeat("x", 3<<20) + "';\n"), inspection.Limits{Statement: 1 << 20}, "line 2 is longer than 1 MiB"},
		"tables":    {[]byte(manyTables(50_001)), inspection.Limits{}, "more than 50000 tables"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := inspection.Inspect(context.Background(), bytes.NewReader(c.file), backup.Postgres, c.limits, nil)
			var e *backup.Error
			if !errors.As(err, &e) || e.Code != backup.CodeFileLimit || !strings.Contains(e.Text, c.says) {
				t.Fatalf("got %v", err)
			}
			if name == "ratio" && found.Inspection.SQLBytes > 65<<20 {
				t.Errorf("%d bytes were unpacked", found.Inspection.SQLBytes)
			}
		})
	}
}

func manyTables(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("CREATE TABLE t" + strings.Repeat("x", i%50) + "_" + string(rune('a'+i%26)) + itoa(i) + " (a int);\n")
	}
	return b.String()
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// Text that is right passes: in another encoding, with a mark in front, behind a long comment, in several members.
func TestInspect_AcceptsWhatIsRight(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file         []byte
		completeness backup.Completeness
		encoding     string
	}{
		"a dump":                      {[]byte(head + "SELECT 1;\n" + end), backup.Proven, "UTF8"},
		"compressed":                  {zip(t, head+"SELECT 1;\n"+end), backup.Proven, "UTF8"},
		"in members":                  {append(append(zip(t, head+"SELE"), zip(t, "")...), zip(t, "CT 1;\n"+end)...), backup.Proven, "UTF8"},
		"with CRLF":                   {[]byte(strings.ReplaceAll(head+"SELECT 1;\n"+end, "\n", "\r\n")), backup.Proven, "UTF8"},
		"with a mark of UTF-8":        {[]byte("\xef\xbb\xbfSELECT 1;\n"), backup.Unproven, "UTF8"},
		"by hand":                     {[]byte("SELECT 1;\n"), backup.Unproven, "UTF8"},
		"without a last line's end":   {[]byte("SELECT 1;"), backup.Unproven, "UTF8"},
		"behind a long comment":       {[]byte("/* " + strings.Repeat("license ", 50_000) + " */ SELECT 1;\n"), backup.Unproven, "UTF8"},
		"latin1":                      {[]byte("SET client_encoding = 'LATIN1';\nINSERT INTO t VALUES ('Gr\xf6\xdfe');\nCOPY t FROM stdin;\nGr\xf6\xdfe\n\\.\n"), backup.Unproven, "LATIN1"},
		"latin1 in a comment":         {[]byte("-- Gr\xf6\xdfe\nSELECT 1;\n"), backup.Unproven, "UTF8"},
		"no encoding":                 {[]byte("SET client_encoding = 'SQL_ASCII';\nINSERT INTO t VALUES ('\xff');\n"), backup.Unproven, "SQL_ASCII"},
		"characters across the seams": {[]byte("COPY t FROM stdin;\n" + strings.Repeat("aé日🎒\n", 100_000) + "\\.\n"), backup.Unproven, "UTF8"},
		"in parentheses":              {[]byte("(SELECT 1);\n"), backup.Unproven, "UTF8"},
		"a transaction":               {[]byte("BEGIN;\nSELECT 1;\nCOMMIT;\n"), backup.Unproven, "UTF8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := inspect(bytes.NewReader(c.file))
			if err != nil || found.Inspection.Completeness != c.completeness || found.Inspection.Encoding != c.encoding || found.SHA256 == "" {
				t.Errorf("%v: %+v", err, found)
			}
			if c.completeness == backup.Proven && (found.Inspection.ToolVersion != "17.1" || found.Inspection.ServerVersion != "16.4" || found.Inspection.Tool != "pg_dump") {
				t.Errorf("%+v", found.Inspection)
			}
		})
	}
}

// A source that fails is no fault of the file, and neither is being stopped.
func TestInspect_TellsTheSourceFromTheFile(t *testing.T) {
	t.Parallel()
	gone := errors.New("connection reset")
	text := head + strings.Repeat("SELECT 1;\n", 1000)
	for name, file := range map[string]string{"plain": text, "compressed": string(zip(t, text))} {
		for _, at := range []int{0, 1, 5, len(file) / 2, len(file)} {
			_, err := inspect(io.MultiReader(strings.NewReader(file[:at]), iotest.ErrReader(gone)))
			var e *backup.Error
			if !errors.Is(err, gone) || errors.As(err, &e) {
				t.Errorf("%s, at %d: %v", name, at, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	r := readerFunc(func(p []byte) (int, error) {
		if n++; n == 3 {
			cancel()
		}
		return copy(p, "SELECT 1;\n"), nil
	})
	if _, err := inspection.Inspect(ctx, r, backup.Postgres, inspection.Limits{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
