package dumpfile

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// output is where a test's file goes.
type output func([]byte) (int, error)

func (o output) Write(p []byte) (int, error) { return o(p) }

// incompressible is n bytes of lines that hardly get shorter.
func incompressible(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		for range 60 {
			b.WriteByte(byte(' ' + r.IntN(95)))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestWriter_MemoryIsBoundedBesideAGigantWithEightWriters counts the blocks that there are whenever the output is written to.
func TestWriter_MemoryIsBoundedBesideAGigantWithEightWriters(t *testing.T) {
	t.Parallel()
	var w *Writer
	var most int
	var size int64
	used := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		most = max(most, w.blocks.inUse+len(w.blocks.free))
		return w.blocks.inUse
	}
	full := false
	out := output(func(p []byte) (int, error) {
		// The gigant, which comes first, is held up once, until the others have used up the memory.
		for n := used(); size > 1<<20 && !full; n = used() {
			full = n >= w.blocks.total-1
			runtime.Gosched()
		}
		size += int64(len(p))
		return len(p), nil
	})
	const memory = 512 << 10
	w = NewWriter(out, Options{Memory: memory})
	put(t, w, Schema, schemaText)
	var group sync.WaitGroup
	write := func(g, n int) {
		table := w.AddTable(Table{Schema: "school", Name: string(rune('a' + g))})
		group.Go(func() {
			if err := putRows(w, table, "x", incompressible(rand.New(rand.NewPCG(5, uint64(g))), n)); err != nil {
				t.Error(err)
			}
		})
	}
	write(0, 8<<20)
	for streaming := false; !streaming; runtime.Gosched() {
		w.mu.Lock()
		streaming = w.holder != nil
		w.mu.Unlock()
	}
	for g := range 8 {
		write(1+g, 300<<10)
	}
	group.Wait()
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.blocks.total*w.blocks.size > memory || most > w.blocks.total {
		t.Errorf("there were %d blocks of %d bytes, which is more than %d", most, w.blocks.size, memory)
	}
	if w.blocks.inUse != 0 {
		t.Errorf("%d blocks were not given back", w.blocks.inUse)
	}
	if size < 8<<20 {
		t.Errorf("the file has %d bytes: its text was to outgrow the memory", size)
	}
}

// TestWriter_AnEarlierKindComesFirstThoughMemoryIsUsedUp lets rows use up the memory while the schema is open.
func TestWriter_AnEarlierKindComesFirstThoughMemoryIsUsedUp(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	w := NewWriter(&file, Options{Memory: 64 << 10})
	schema := w.Member(Schema, -1)
	table := w.AddTable(Table{Schema: "s", Name: "t"})
	var group sync.WaitGroup
	for g := range 3 {
		group.Go(func() {
			if err := putRows(w, table, "t", incompressible(rand.New(rand.NewPCG(6, uint64(g))), 200<<10)); err != nil {
				t.Error(err)
			}
		})
	}
	for full := false; !full; runtime.Gosched() {
		w.mu.Lock()
		full = w.blocks.inUse >= w.blocks.total-1
		w.mu.Unlock()
	}
	if file.Len() > 0 {
		t.Error("rows were written before the schema has ended")
	}
	if _, err := io.WriteString(schema, incompressible(rand.New(rand.NewPCG(7, 7)), 500<<10)); err != nil {
		t.Fatal(err)
	}
	if err := schema.Close(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	x, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if x.Members[0].Kind != Schema || len(x.Members) != 4 {
		t.Errorf("members %+v", x.Members)
	}
	if _, err := Verify(&file); err != nil {
		t.Error(err)
	}
}

func TestWriter_AnErrorOfTheOutputReachesAll(t *testing.T) {
	t.Parallel()
	broken := errors.New("the bucket is gone")
	for name, c := range map[string]struct {
		out  output
		want error
	}{
		"error":       {func([]byte) (int, error) { return 0, broken }, broken},
		"short write": {func(p []byte) (int, error) { return len(p) - 1, nil }, io.ErrShortWrite},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wrote int
			out := output(func(p []byte) (int, error) {
				if wrote += len(p); wrote > 100<<10 {
					return c.out(p)
				}
				return len(p), nil
			})
			w := NewWriter(out, Options{Memory: 64 << 10})
			table := w.AddTable(Table{Schema: "s", Name: "t"})
			var group sync.WaitGroup
			for g := range 4 {
				group.Go(func() {
					for i := range 10 {
						err := putRows(w, table, "t", incompressible(rand.New(rand.NewPCG(8, uint64(g))), 100<<10))
						if i == 9 && !errors.Is(err, c.want) {
							t.Errorf("a member's error is %v", err)
						}
					}
				})
			}
			group.Wait()
			if _, err := w.Close(); !errors.Is(err, c.want) {
				t.Errorf("the end's error is %v", err)
			}
			if w.blocks.inUse != 0 {
				t.Errorf("%d blocks were not given back", w.blocks.inUse)
			}
		})
	}
}

func TestWriter_AnErrorAtTheVeryEndIsTold(t *testing.T) {
	t.Parallel()
	broken := errors.New("no space left")
	out := output(func(p []byte) (int, error) {
		if len(p) == TrailerLength {
			return 0, broken
		}
		return len(p), nil
	})
	w := NewWriter(out, Options{})
	put(t, w, Schema, schemaText)
	if x, err := w.Close(); x != nil || !errors.Is(err, broken) {
		t.Errorf("index %v, error %v", x, err)
	}
	if _, err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("the second time the error is %v", err)
	}
}

func TestMemberWriter_DiscardLeavesNothing(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	w := NewWriter(&file, Options{})
	table := w.AddTable(Table{Schema: "s", Name: "t"})
	put(t, w, Schema, schemaText)
	m := w.Member(Data, table)
	if _, err := io.WriteString(m, strings.Repeat("given up\n", 100000)); err != nil {
		t.Fatal(err)
	}
	m.Rows(100000, 900000)
	m.Discard()
	if _, err := m.Write([]byte("x")); err == nil {
		t.Error("a discarded member takes text")
	}
	if err := m.Close(); err == nil {
		t.Error("a discarded member can be closed")
	}
	if err := putRows(w, table, "t", "1\ta\tb\n"); err != nil {
		t.Fatal(err)
	}
	x, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Members) != 2 || x.Tables[0].Rows != 1 || x.Tables[0].Bytes != 6 || w.blocks.inUse != 0 {
		t.Errorf("members %+v, table %+v, %d blocks in use", x.Members, x.Tables[0], w.blocks.inUse)
	}
	if strings.Contains(whole(t, file.Bytes()), "given up") {
		t.Error("the text of the discarded member is in the file")
	}
}

func TestMemberWriter_DiscardOfOneThatIsBeingWrittenBreaksTheFile(t *testing.T) {
	t.Parallel()
	w := NewWriter(io.Discard, Options{Memory: 8 << 10})
	m := w.Member(Schema, -1)
	if _, err := io.WriteString(m, incompressible(rand.New(rand.NewPCG(9, 9)), 300<<10)); err != nil {
		t.Fatal(err)
	}
	m.Discard()
	if _, err := w.Close(); !errors.Is(err, errDiscarded) {
		t.Errorf("error %v", err)
	}
}

func TestWriter_RefusesWhatTheFormatDoesNotHave(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(w *Writer) *MemberWriter{
		"no such kind":           func(w *Writer) *MemberWriter { return w.Member("other", -1) },
		"the index":              func(w *Writer) *MemberWriter { return w.Member(indexKind, -1) },
		"rows of no table":       func(w *Writer) *MemberWriter { return w.Member(Data, -1) },
		"rows of an unknown one": func(w *Writer) *MemberWriter { return w.Member(Data, 1) },
		"a table without rows":   func(w *Writer) *MemberWriter { return w.Member(Constraints, 0) },
		"a second schema":        func(w *Writer) *MemberWriter { return w.Member(Schema, -1) },
		"a kind that is over": func(w *Writer) *MemberWriter {
			put(t, w, Sequences, seqText)
			return w.Member(Data, 0)
		},
		"half a line": func(w *Writer) *MemberWriter {
			m := w.Member(Constraints, -1)
			_, _ = io.WriteString(m, "no line's end")
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := NewWriter(io.Discard, Options{Head: Index{Tables: []Table{{Schema: "s", Name: "t"}}}})
			put(t, w, Schema, schemaText)
			m := begin(w)
			_, _ = io.WriteString(m, "")
			if err := m.Close(); err == nil {
				t.Error("it is taken")
			}
			if x, err := w.Close(); x != nil || err == nil {
				t.Error("the file is taken")
			}
		})
	}
	t.Run("an open member at the end", func(t *testing.T) {
		t.Parallel()
		w := NewWriter(io.Discard, Options{})
		m := w.Member(Schema, -1)
		if _, err := w.Close(); err == nil {
			t.Error("it is taken")
		}
		if _, err := m.Write([]byte("x\n")); err == nil {
			t.Error("the member takes text still")
		}
	})
}

func TestWriter_AMemberOfNoTextIsLeftOut(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	w := NewWriter(&file, Options{})
	put(t, w, Schema, schemaText)
	put(t, w, Sequences, "")
	x, err := w.Close()
	if err != nil || len(x.Members) != 1 {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := Verify(&file); err != nil {
		t.Error(err)
	}
}

func TestWriter_TheSameTextMakesTheSameFile(t *testing.T) {
	t.Parallel()
	var one, two bytes.Buffer
	build(t, &one, Options{}, 1, 3, 2000)
	build(t, &two, Options{}, 1, 3, 2000)
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("the files differ")
	}
}
