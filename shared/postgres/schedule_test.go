package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// shop is a schedule whose tasks end when they are told to.
type shop struct {
	t    *testing.T
	q    *schedule
	mu   sync.Mutex
	wake *sync.Cond
	on   map[string]chan error
	done []string
}

func newShop(t *testing.T, sessions int) *shop {
	s := &shop{t: t, on: map[string]chan error{}}
	s.wake = sync.NewCond(&s.mu)
	crew := make([]*session, sessions)
	for i := range crew {
		crew[i] = &session{}
	}
	s.q = newSchedule(t.Context(), crew, s.do)
	return s
}

func (s *shop) do(ctx context.Context, _ *session, t *task) error {
	c := make(chan error)
	s.mu.Lock()
	s.on[t.sql] = c
	s.wake.Broadcast()
	s.mu.Unlock()
	var err error
	select {
	case err = <-c:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.on, t.sql)
	s.done = append(s.done, t.sql)
	return err
}

// runs waits until just these tasks are being run.
func (s *shop) runs(names ...string) {
	s.t.Helper()
	s.q.mu.Lock()
	var got []string
	for _, t := range s.q.running {
		got = append(got, t.sql)
	}
	s.q.mu.Unlock()
	slices.Sort(got)
	if !slices.Equal(got, names) {
		s.t.Fatalf("%v are being run, want %v", got, names)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.on) < len(names) {
		s.wake.Wait()
	}
}

// ends ends a task and waits until the schedule has taken note of it.
func (s *shop) ends(name string, err error) {
	s.t.Helper()
	s.mu.Lock()
	for s.on[name] == nil {
		s.wake.Wait()
	}
	c := s.on[name]
	s.mu.Unlock()
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	task := s.q.running[slices.IndexFunc(s.q.running, func(t *task) bool { return t.sql == name })]
	was := task.alone
	c <- err
	for slices.Contains(s.q.running, task) && task.alone == was {
		s.q.changed.Wait()
	}
}

func on(name string, weight int64, locks ...lock) *task {
	return &task{sql: name, weight: weight, locks: locks}
}

func TestSchedule_RunsWhatIsNotLocked(t *testing.T) {
	t.Parallel()
	a, b, c := &loadTable{}, &loadTable{}, &loadTable{}
	s := newShop(t, 3)
	for _, task := range []*task{
		on("1 index of a", 1, lock{a, true}), on("2 index of a", 1, lock{a, true}), on("3 key of a to b", 9, lock{a, false}, lock{b, false}),
		on("4 index of b", 9, lock{b, true}), on("5 index of c", 1, lock{c, true}), on("6 index of a", 9, lock{a, true}),
	} {
		if err := s.q.add(task); err != nil {
			t.Fatal(err)
		}
	}
	s.runs("1 index of a", "2 index of a", "5 index of c")
	s.ends("1 index of a", nil)
	s.runs("2 index of a", "5 index of c") // 4 and 6 wait for 3, and 3 for 2
	s.ends("2 index of a", nil)
	s.runs("3 key of a to b", "5 index of c")
	s.ends("3 key of a to b", nil)
	s.runs("4 index of b", "5 index of c", "6 index of a")
	for _, name := range []string{"6 index of a", "5 index of c", "4 index of b"} {
		s.ends(name, nil)
	}
	if err := s.q.settle(); err != nil {
		t.Error(err)
	}
}

func TestSchedule_ChecksAreRunBesideEachOtherAndLast(t *testing.T) {
	t.Parallel()
	a, b, p := &loadTable{}, &loadTable{}, &loadTable{}
	key := func(name string, table *loadTable) *task {
		add := on("add "+name, 1, lock{table, false}, lock{p, false})
		add.check = &task{sql: "check " + name, isCheck: true, weight: 9, locks: []lock{{table, false}, {p, true}}}
		return add
	}
	s := newShop(t, 2)
	for _, task := range []*task{key("a", a), key("b", b), on("index of b", 1, lock{b, true}), on("comment on a", 1, lock{a, false})} {
		if err := s.q.add(task); err != nil {
			t.Fatal(err)
		}
	}
	s.runs("add a")
	s.ends("add a", nil)
	s.runs("add b", "comment on a") // there is work that others build upon
	s.ends("comment on a", nil)
	s.runs("add b") // which holds the table that a points to
	s.ends("add b", nil)
	s.runs("check a", "index of b")
	s.ends("index of b", nil)
	s.runs("check a", "check b")
	bad := errors.New("a row points to nowhere")
	s.ends("check b", bad)
	if err := s.q.settle(); !errors.Is(err, bad) {
		t.Errorf("a failed check is %v", err)
	}
}

func TestSchedule_SessionsWithoutWorkHelpToBuild(t *testing.T) {
	t.Parallel()
	a, b := &loadTable{}, &loadTable{}
	index := func(name string, l lock) *task { return &task{sql: name, builds: true, locks: []lock{l}} }
	s := newShop(t, 6)
	tasks := []*task{index("1 key of a", lock{a, false}), index("2 index of b", lock{b, true}), index("3 index of a", lock{a, true}),
		index("4 index of a", lock{a, true}), on("5 comment on a", 1, lock{a, true}), index("6 index of b", lock{b, true})}
	for _, task := range tasks[:5] {
		if err := s.q.add(task); err != nil {
			t.Fatal(err)
		}
	}
	s.runs("1 key of a", "2 index of b")
	s.ends("1 key of a", nil)
	s.runs("2 index of b", "3 index of a", "4 index of a", "5 comment on a")
	s.ends("3 index of a", nil)
	if err := s.q.add(tasks[5]); err != nil {
		t.Fatal(err)
	}
	// All others were free when the first came. When three can be run beside the one that is left, two are, and none was lent.
	var got []int
	for _, task := range tasks {
		got = append(got, task.helpers)
	}
	if want := []int{5, 0, 1, 1, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("tasks have %v helpers, want %v", got, want)
	}
	s.q.stop()
}

func TestSchedule_ACheckDoesNotWaitForWhatWaits(t *testing.T) {
	t.Parallel()
	a, b, p := &loadTable{}, &loadTable{}, &loadTable{}
	s := newShop(t, 2)
	first := on("add a", 1, lock{a, false}, lock{p, false})
	first.check = &task{sql: "check a", isCheck: true, locks: []lock{{a, false}, {p, true}}}
	for _, task := range []*task{first, on("index of b", 1, lock{b, true}), on("add b", 1, lock{b, false}, lock{p, false})} {
		if err := s.q.add(task); err != nil {
			t.Fatal(err)
		}
	}
	s.runs("add a", "index of b")
	s.ends("add a", nil)
	s.runs("check a", "index of b")
	for _, name := range []string{"index of b", "check a", "add b"} {
		s.ends(name, nil)
	}
	if err := s.q.settle(); err != nil {
		t.Error(err)
	}
}

func TestSplitForeignKey(t *testing.T) {
	t.Parallel()
	large, small, parted := &loadTable{kind: "r", bytes: splitFrom}, &loadTable{kind: "r"}, &loadTable{kind: "p"}
	key := errand{touches: []touch{{name: tableName{"s", `a "b"`}}, {name: tableName{"s", "p"}}}, checks: "F"}
	add := func(e errand, of, to *loadTable) *task {
		k := &task{sql: "ADD", line: 7, locks: []lock{{of, false}, {to, false}}, weight: 3, standard: true}
		splitForeignKey(k, e)
		return k
	}
	k := add(key, large, small)
	if k.sql != "ADD\n NOT VALID" || k.check == nil {
		t.Fatalf("a large table's is added by %q, with the check %v", k.sql, k.check)
	}
	c := k.check
	if want := `ALTER TABLE ONLY "s"."a ""b""" VALIDATE CONSTRAINT "F"`; c.sql != want || c.line != 7 || !c.standard || c.weight != 3 || !c.isCheck ||
		!slices.Equal(c.locks, []lock{{large, false}, {small, true}}) {
		t.Errorf("it is checked by %+v, want %s", c, want)
	}
	none := errand{touches: key.touches}
	parted.bytes = splitFrom
	for name, k := range map[string]*task{
		"no foreign key": add(none, large, small), "small": add(key, small, large), "partitioned": add(key, parted, large), "to partitioned": add(key, large, parted),
	} {
		if k.sql != "ADD" || k.check != nil {
			t.Errorf("%s: is split in %q and %v", name, k.sql, k.check)
		}
	}
}

func TestSchedule_TheLargestGoesFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	for i, weight := range []int64{1, 2, 9, 5} {
		if err := s.q.add(on(fmt.Sprint(i), weight, lock{&loadTable{}, false})); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"0", "2", "3", "1"} {
		s.runs(name)
		s.ends(name, nil)
	}
}

func TestSchedule_ADeadlockIsRunAgainAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t, 2)
	for _, name := range []string{"1", "2", "3"} {
		if err := s.q.add(on(name, 1, lock{&loadTable{}, false})); err != nil {
			t.Fatal(err)
		}
	}
	s.runs("1", "2")
	s.ends("1", fmt.Errorf("run it: %w", &pgconn.PgError{Code: deadlock}))
	s.runs("2") // 3 waits for 1, which waits for all
	s.ends("2", nil)
	s.runs("1")
	s.ends("1", nil)
	s.runs("3")
	s.ends("3", nil)
	if err := s.q.settle(); err != nil {
		t.Error(err)
	}
}

func TestSchedule_ASecondDeadlockIsAnError(t *testing.T) {
	t.Parallel()
	s := newShop(t, 2)
	if err := s.q.add(on("1", 1)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.runs("1")
		s.ends("1", &pgconn.PgError{Code: deadlock})
	}
	if err := s.q.settle(); sqlState(err) != deadlock {
		t.Errorf("error is %v", err)
	}
}

func TestSchedule_AFailureEndsTheOthers(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	s := newShop(t, 2)
	for _, name := range []string{"1", "2", "3"} {
		if err := s.q.add(on(name, 1, lock{&loadTable{}, false})); err != nil {
			t.Fatal(err)
		}
	}
	s.runs("1", "2")
	s.ends("2", bad)
	if err := s.q.settle(); !errors.Is(err, bad) {
		t.Errorf("error is %v", err)
	}
	if got := strings.Join(s.done, " "); got != "2 1" {
		t.Errorf("run were %s", got)
	}
	if err := s.q.add(on("4", 1)); !errors.Is(err, bad) {
		t.Errorf("a task was taken after a failure: %v", err)
	}
	s.q.stop()
}

func TestParseErrand(t *testing.T) {
	t.Parallel()
	cases := []struct{ sql, want string }{
		{`CREATE INDEX i ON public.t USING btree (a, b)`, "shared public.t makes public.i"},
		{`CREATE UNIQUE INDEX "I x" ON "S"."T" USING gin (f(a, b)) WHERE (a > 1)`, "shared S.T makes S.I x"},
		{`CREATE INDEX i ON ONLY public.t USING btree (a)`, "only shared public.t makes public.i"},
		{`ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (a, b)`, "only public.t makes public.t_pkey"},
		{`ALTER TABLE ONLY public.t ADD CONSTRAINT t_key UNIQUE NULLS NOT DISTINCT (a)`, "only public.t makes public.t_key"},
		{`ALTER TABLE ONLY public.t ADD CONSTRAINT e EXCLUDE USING gist (r WITH &&)`, "only public.t makes public.e"},
		{`ALTER TABLE ONLY public.t ADD CONSTRAINT f FOREIGN KEY (a, b) REFERENCES other.u(a, b) ON DELETE CASCADE`, "only public.t, other.u checks f"},
		{`ALTER TABLE public.t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(a) NOT VALID`, "public.t, public.u"},
		{`ALTER TABLE public.t ADD CONSTRAINT "F" FOREIGN KEY (a) REFERENCES public.u(a) NOT ENFORCED`, "public.t, public.u"},
		{`ALTER TABLE public.t ADD CONSTRAINT "F" FOREIGN KEY (a) REFERENCES public.u(a) INITIALLY DEFERRED`, "public.t, public.u checks F"},
		{`ALTER TABLE public.t CLUSTER ON i`, "public.t"},
		{`ALTER TABLE ONLY public.t REPLICA IDENTITY USING INDEX i`, "only public.t"},
		{`ALTER INDEX public.i ATTACH PARTITION public.j`, "index public.i, index public.j"},
		{`ALTER INDEX public.i ALTER COLUMN 1 SET STATISTICS 100`, "index public.i"},
		{`COMMENT ON INDEX public.i IS 'x'`, "index public.i"},
		{`COMMENT ON CONSTRAINT c ON public.t IS 'x'`, "public.t"},
		// What is not known, or not whole.
		{`CREATE INDEX i ON t (a)`, ""},
		{`CREATE INDEX ON public.t (a)`, ""},
		{`CREATE INDEX CONCURRENTLY ON public.t (a)`, ""},
		{`CREATE INDEX CONCURRENTLY i ON public.t (a)`, ""},
		{`CREATE INDEX IF NOT EXISTS i ON public.t (a)`, ""},
		{`ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a)`, ""},
		{`ALTER TABLE public.t ADD CONSTRAINT k CHECK (a > 1)`, ""},
		{`ALTER TABLE public.t ADD PRIMARY KEY (a)`, ""},
		{`ALTER TABLE public.t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u(a)`, ""},
		{`ALTER TABLE public.t ADD CONSTRAINT k PRIMARY KEY (a), DISABLE TRIGGER ALL`, ""},
		{`ALTER TABLE IF EXISTS public.t CLUSTER ON i`, ""},
		{`ALTER TABLE public.t ATTACH PARTITION public.u DEFAULT`, ""},
		{`ALTER TABLE public.t ENABLE ROW LEVEL SECURITY`, ""},
		{`ALTER INDEX public.i RENAME TO j`, ""},
		{`COMMENT ON CONSTRAINT c ON DOMAIN public.d IS 'x'`, ""},
		{`COMMENT ON TABLE public.t IS 'x'`, ""},
		{`CREATE TRIGGER x AFTER INSERT ON public.t EXECUTE FUNCTION public.f()`, ""},
		{`CREATE STATISTICS public.s ON a, b FROM public.t`, ""},
		{`ALTER INDEX`, ""},
		{`ALTER TABLE ONLY`, ""},
	}
	for _, c := range cases {
		item, err := sqltext.NewScanner(strings.NewReader(c.sql+";"), sqltext.Options{}).Next()
		if err != nil {
			t.Fatal(err)
		}
		e, ok := parseErrand(parse(item))
		got := ""
		if ok {
			var parts []string
			for _, n := range e.touches {
				part := n.name.schema + "." + n.name.table
				for _, flag := range []struct {
					on   bool
					name string
				}{{n.shared, "shared "}, {n.only, "only "}, {n.index, "index "}} {
					if flag.on {
						part = flag.name + part
					}
				}
				parts = append(parts, part)
			}
			got = strings.Join(parts, ", ")
			if e.makes.table != "" {
				got += " makes " + e.makes.schema + "." + e.makes.table
			}
			if e.checks != "" {
				got += " checks " + e.checks
			}
		}
		if got != c.want {
			t.Errorf("%s\nis %q, want %q", c.sql, got, c.want)
		}
	}
}
