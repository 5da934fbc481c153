package dumpfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// strangeNames are names that tables and columns can have: whatever bytes but NUL in a database without an encoding.
var strangeNames = []string{
	"plain", "two words", "a\nDROP TABLE pupils;\n--", "\\. \\! reboot", `"quoted"`, `back\slash`, "tab\tCR\r", "Ärzte", "学校", "😀", "\xff\xfe", "caf\xe9",
	"half \xe4\xb8", "\xed\xb2\x80", "\u2028\u2029", "\x01\x1f\x7f", "<a>&", "\ufffd", "�\x80�",
}

func TestIndex_NamesOfAnyBytesSurvive(t *testing.T) {
	t.Parallel()
	head := Index{Engine: "postgres", ServerVersion: "15.18 (Débian)", ToolVersion: "x\ny", Encoding: "SQL_ASCII"}
	for i, name := range strangeNames {
		head.Tables = append(head.Tables, Table{Schema: name, Name: name, Extension: strangeNames[len(strangeNames)-1-i], Key: strangeNames[:i],
			Columns: []Column{{Name: name, Type: "character varying(80)", NotNull: true}, {Name: "b"}}})
	}
	var file bytes.Buffer
	w := NewWriter(&file, Options{Head: head})
	put(t, w, Schema, schemaText)
	want, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadIndex(ranger(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Tables {
		if len(want.Tables[i].Key) == 0 {
			want.Tables[i].Key = nil
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	_, text, _ := strings.Cut(whole(t, file.Bytes()), schemaText)
	lines := 0
	for line := range strings.Lines(text) {
		lines++
		if !strings.HasPrefix(line, "-- ") || !strings.HasSuffix(line, "\n") {
			t.Errorf("the line %q is no comment", line)
		}
		for _, c := range []byte(strings.TrimSuffix(line, "\n")) {
			if c < ' ' || c > '~' {
				t.Errorf("the line %q has the byte %#x", line, c)
			}
		}
	}
	if lines != 2+len(strangeNames)+2 {
		t.Errorf("the index has %d lines:\n%s", lines, text)
	}
}

// TestIndex_NamesAreThoseThatPythonReads compares with Python's own "surrogateescape".
func TestIndex_NamesAreThoseThatPythonReads(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	in, err := json.Marshal(texts(strangeNames))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", `import json, sys
for name in json.load(sys.stdin): sys.stdout.buffer.write(name.encode("utf-8", "surrogateescape") + b"\0")`)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(strangeNames, "\x00") + "\x00"; string(out) != want {
		t.Errorf("Python reads %q", out)
	}
}

func TestText_ReadsWhatOthersMayWrite(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"\u0041\n\t\r\b\f\/\\\""`: "A\n\t\r\b\f/\\\"", `"\ud83d\ude00"`: "😀", `"ä😀"`: "ä😀", `"\uDCFF"`: "\xff", `""`: "",
	} {
		var got text
		if err := json.Unmarshal([]byte(in), &got); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{`"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\udc7f"`, `"\ude00"`, `1`, `null`} {
		var got text
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s is taken for %q", in, got)
		}
	}
}

// fileOf is a file of an index alone, whose members are zeros.
func fileOf(index string, length int64) []byte {
	var member bytes.Buffer
	w := NewWriter(&member, Options{})
	m := w.Member(Schema, -1)
	_, _ = io.WriteString(m, index)
	m.whole = true // even if it is not
	_ = m.Close()
	if index == "" {
		member.Write(slices.Concat(header[:], trailerTail[:])) // the Writer leaves it out
	}
	t := trailer(length, int64(member.Len()), crc32.Checksum(member.Bytes(), castagnoli))
	return slices.Concat(make([]byte, length), member.Bytes(), t[:])
}

const (
	goodHead  = indexTitle + "-- head {\"version\":1,\"engine\":\"postgres\"}\n"
	goodTable = "-- table {\"schema\":\"s\",\"name\":\"t\",\"rows\":2,\"bytes\":20}\n"
	goodOne   = "-- member {\"offset\":0,\"length\":100,\"crc\":1,\"kind\":\"schema\",\"table\":-1,\"bytes\":50,\"line\":1}\n"
	goodTwo   = "-- member {\"offset\":100,\"length\":60,\"crc\":4294967295,\"kind\":\"data\",\"table\":0,\"rows\":2,\"bytes\":40,\"line\":3}\n"
	goodEnd   = "-- end {\"tables\":1,\"members\":2,\"rows\":2,\"bytes\":90,\"lines\":9,\"length\":160}\n"
	goodIndex = goodHead + goodTable + goodOne + goodTwo + goodEnd
)

func TestReadIndex_TakesWhatItShould(t *testing.T) {
	t.Parallel()
	for _, index := range []string{
		goodIndex,
		strings.Replace(goodIndex, `"engine"`, `"later":[{}],"engine"`, 1), // a field that this version does not know
	} {
		file := fileOf(index, 160)
		x, err := ReadIndex(ranger(file), int64(len(file)))
		if err != nil || len(x.Members) != 2 || x.Members[1].CRC != math.MaxUint32 {
			t.Errorf("%+v, %v", x, err)
		}
	}
}

func TestReadIndex_RefusesAnIndexThatLies(t *testing.T) {
	t.Parallel()
	swap := func(old, new string) string {
		if !strings.Contains(goodIndex, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(goodIndex, old, new, 1)
	}
	const huge = "9223372036854775807"
	for name, c := range map[string]struct{ index, want string }{
		"empty":                      {"", "has no end"},
		"no title":                   {strings.TrimPrefix(goodIndex, indexTitle), "out of its place"},
		"no head":                    {indexTitle + goodEnd, "out of its place"},
		"two heads":                  {goodHead + strings.TrimPrefix(goodIndex, indexTitle), "out of its place"},
		"no end":                     {strings.TrimSuffix(goodIndex, goodEnd), "has no end"},
		"text behind the end":        {goodIndex + "-- member {}\n", "out of its place"},
		"half a line":                {strings.TrimSuffix(goodIndex, "\n"), "the last line of the index has no end"},
		"a line that is unknown":     {swap(goodEnd, "-- other {}\n"+goodEnd), "none that this version knows"},
		"a statement":                {swap(goodEnd, "DROP TABLE t;\n"+goodEnd), "none that this version knows"},
		"tables behind members":      {goodHead + goodOne + goodTable + goodTwo + goodEnd, "out of its place"},
		"a newer version":            {swap(`"version":1`, `"version":2`), "version 2 of the format"},
		"no version":                 {swap(`"version":1`, `"version":0`), "version 0 of the format"},
		"no JSON":                    {swap(`{"schema"`, `{schema`), "invalid character"},
		"two values":                 {swap(`"bytes":20}`, `"bytes":20} {}`), "invalid character"},
		"a gap":                      {swap(`"offset":100`, `"offset":101`), "is not where the one before it ends"},
		"an overlap":                 {swap(`"offset":100`, `"offset":99`), "is not where the one before it ends"},
		"first not at 0":             {swap(`"offset":0`, `"offset":1`), "is not where the one before it ends"},
		"a negative offset":          {swap(`"offset":0`, `"offset":-1`), "is not where the one before it ends"},
		"a negative length":          {swap(`"length":100`, `"length":-100`), "is not where the one before it ends"},
		"a huge length":              {swap(`"length":60`, `"length":`+huge), "is not where the one before it ends"},
		"a number too large":         {swap(`"length":60`, `"length":9223372036854775808`), "cannot unmarshal"},
		"a schema of negative table": {swap(`"table":-1`, `"table":-2`), "of a table that does not exist"},
		"negative rows of a schema":  {swap(`"table":-1,`, `"table":-1,"rows":-1,`), "can't have its size"},
		"a fraction":                 {swap(`"length":60`, `"length":60.5`), "cannot unmarshal"},
		"too short for a member":     {swap(`"length":100`, `"length":1`), "is not where the one before it ends"},
		"the last too short":         {strings.NewReplacer(`"length":100`, `"length":150`, `"offset":100,"length":60`, `"offset":150,"length":10`).Replace(goodIndex), "is not where the one before it ends"},
		"a schema of no bytes":       {swap(`"bytes":50`, `"bytes":0`), "can't have its size"},
		"not up to the index":        {swap(`"length":60`, `"length":59`), "the counts of the index"},
		"members that end before":    {strings.Replace(swap(`"length":60`, `"length":59`), `"length":160`, `"length":159`, 1), "the counts of the index"},
		"more than to the index":     {swap(`"length":60`, `"length":61`), "is not where the one before it ends"},
		"kinds out of order":         {swap(`"kind":"schema"`, `"kind":"sequences"`), "which does not come there"},
		"an unknown kind":            {swap(`"kind":"schema"`, `"kind":"index"`), "which does not come there"},
		"a table that is not":        {swap(`"table":0`, `"table":1`), "of a table that does not exist"},
		"a negative table":           {swap(`"table":0`, `"table":-2`), "of a table that does not exist"},
		"rows of no table":           {swap(`"table":0`, `"table":-1`), "of a table that does not exist"},
		"a schema of a table":        {swap(`"table":-1`, `"table":0`), "of a table that does not exist"},
		"negative rows":              {swap(`"rows":2,"bytes":40`, `"rows":-2,"bytes":40`), "can't have its size"},
		"other rows than the table":  {swap(`"rows":2,"bytes":40`, `"rows":3,"bytes":40`), "is not the sum of its members"},
		"more rows than bytes":       {swap(`"rows":2,"bytes":40`, `"rows":41,"bytes":40`), "can't have its size"},
		"more bytes of rows":         {swap(`"rows":2,"bytes":20`, `"rows":2,"bytes":41`), "is not the sum of its members"},
		"fewer bytes than rows":      {swap(`"rows":2,"bytes":20`, `"rows":2,"bytes":1`), "is not the sum of its members"},
		"no bytes":                   {swap(`"bytes":40`, `"bytes":0`), "can't have its size"},
		"huge bytes":                 {swap(`"bytes":40`, `"bytes":`+huge), "can't have its size"},
		"more than deflate can":      {swap(`"bytes":50`, `"bytes":200000`), "can't have its size"},
		"not from line 1":            {swap(`"line":1`, `"line":2`), "can't begin in its line"},
		"a line too early":           {swap(`"line":3`, `"line":1`), "can't begin in its line"},
		"a line too late":            {swap(`"line":3`, `"line":52`), "can't begin in its line"},
		"huge line":                  {swap(`"line":3`, `"line":`+huge), "can't begin in its line"},
		"a nameless table":           {swap(`"name":"t"`, `"name":""`), "is not the sum of its members"},
		"other count of tables":      {swap(`"tables":1`, `"tables":2`), "the counts of the index"},
		"other count of members":     {swap(`"members":2`, `"members":1`), "the counts of the index"},
		"other count of rows":        {swap(`{"tables":1,"members":2,"rows":2`, `{"tables":1,"members":2,"rows":1`), "the counts of the index"},
		"other count of bytes":       {swap(`"bytes":90`, `"bytes":91`), "the counts of the index"},
		"too few lines":              {swap(`"lines":9`, `"lines":2`), "counts other lines"},
		"too many lines":             {swap(`"lines":9`, `"lines":43`), "counts other lines"},
		"other length of all":        {swap(`"length":160`, `"length":161`), "the counts of the index"},
		"two schemas":                {swap(`"kind":"data","table":0,"rows":2`, `"kind":"schema","table":-1`), "which does not come there"},
		"a line without end":         {goodHead + "-- table {\"schema\":\"" + strings.Repeat("x", maxIndexLine) + "\"}\n", "has more than 4194304 bytes"},
		"more text than is read":     {goodHead + strings.Repeat("-- table {\"schema\":\""+strings.Repeat("x", 1<<20)+"\",\"name\":\"t\"}\n", 65), "has more than 67108864 bytes"},
		"a table line that is cut":   {swap(goodTable, goodTable[:30]+"\n"), "unexpected end"},
		"lengths that would overrun": {swap(`"offset":100,"length":60`, `"offset":`+huge+`,"length":`+huge), "is not where the one before it ends"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := fileOf(c.index, 160)
			if x, err := ReadIndex(ranger(file), int64(len(file))); x != nil || !tellsOfBadFile(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v", x, err)
			}
		})
	}
}

func TestReadIndex_RefusesATrailerThatLies(t *testing.T) {
	t.Parallel()
	good := fileOf(goodIndex, 160)
	length := int64(len(good)) - 160 - TrailerLength
	crc := crc32.Checksum(good[160:160+length], castagnoli)
	for _, c := range [][2]int64{
		{0, length}, {159, length}, {161, length - 1}, {160, length + 1}, {-1, length}, {160, -length}, {math.MaxInt64, math.MaxInt64}, {math.MinInt64, math.MinInt64},
		{0, math.MaxInt64}, {int64(len(good)) - TrailerLength, 0}, {160 - (1 << 30), length + 1<<30},
	} {
		bad := bytes.Clone(good)
		lie := trailer(c[0], c[1], crc)
		copy(bad[len(bad)-TrailerLength:], lie[:])
		if x, err := ReadIndex(ranger(bad), int64(len(bad))); x != nil || !tellsOfBadFile(err) {
			t.Errorf("index of %d bytes at %d: %v", c[1], c[0], err)
		}
	}
	if x, err := ReadIndex(ranger(good), math.MaxInt64); x != nil || err == nil {
		t.Errorf("a file of the largest size: %v", err)
	}
}

// TestReadIndex_TakesTwoReadsAtMost counts them, for an index that is longer than the first.
func TestReadIndex_TakesTwoReadsAtMost(t *testing.T) {
	t.Parallel()
	for tables, want := range map[int]int{10: 1, 20000: 2} {
		r := rand.New(rand.NewPCG(1, 1))
		var head Index
		for range tables {
			head.Tables = append(head.Tables, Table{Schema: "school", Name: fmt.Sprintf("%x", r.Uint64())})
		}
		var file bytes.Buffer
		w := NewWriter(&file, Options{Head: head})
		put(t, w, Schema, strings.Repeat(incompressible(r, 200), 2000))
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		reads := 0
		x, err := ReadIndex(func(offset, length int64) (io.ReadCloser, error) {
			reads++
			return ranger(file.Bytes())(offset, length)
		}, int64(file.Len()))
		if err != nil || len(x.Tables) != tables || reads != want {
			t.Errorf("%d tables: %d reads, %v", tables, reads, err)
		}
	}
}
