package postgres

import (
	"context"
	"sync"
)

// maxWaiting bounds the statements that wait: they are kept with their text, and each start looks at all of them.
const (
	maxWaiting      = 512
	maxWaitingBytes = 16 << 20
)

// task is a statement that is run when none before it in the file, of those that are not done, holds a lock that it needs.
type task struct {
	locks  []lock
	line   int64
	sql    string
	weight int64 // bytes of the tables that it works on
	// standard is how the scanner reads strings behind it.
	standard bool
	alone    bool // it is run while nothing else is: the server found it in a deadlock before
	builds   bool // it builds an index, in which other processes of the server can help
	helpers  int  // how many of them may: as many as there are sessions without work
	// check is what this one leaves undone. Nothing in the file builds upon it, so it is run once nothing else can be.
	check   *task
	isCheck bool
}

// schedule runs tasks in the sessions of a crew. All of its methods are called by one goroutine.
type schedule struct {
	ctx    context.Context
	cancel context.CancelFunc
	do     func(context.Context, *session, *task) error

	mu      sync.Mutex
	changed *sync.Cond
	free    []*session
	waiting []*task // in the order of the file
	bytes   int     // of their text
	running []*task
	err     error // the first failure
}

// newSchedule returns a schedule for a crew. ctx must outlive it: it ends with stop.
func newSchedule(ctx context.Context, crew []*session, do func(context.Context, *session, *task) error) *schedule {
	q := &schedule{do: do, free: append([]*session(nil), crew...)}
	q.ctx, q.cancel = context.WithCancel(ctx)
	q.changed = sync.NewCond(&q.mu)
	return q
}

// add puts a task behind all others. It waits where too many do already.
func (q *schedule) add(t *task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && len(q.waiting) > 0 && (len(q.waiting) >= maxWaiting || q.bytes+len(t.sql) > maxWaitingBytes) {
		q.changed.Wait()
	}
	q.waiting = append(q.waiting, t)
	q.bytes += len(t.sql)
	q.start()
	return q.err
}

// settle waits until all tasks are done, or one has failed and the others have ended.
func (q *schedule) settle() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.running) > 0 || q.err == nil && len(q.waiting) > 0 {
		q.changed.Wait()
	}
	return q.err
}

// stop ends what is running and forgets what waits.
func (q *schedule) stop() {
	q.mu.Lock()
	q.waiting = nil
	q.mu.Unlock()
	q.cancel()
	_ = q.settle()
}

// start gives work to the sessions that are free. mu is held.
func (q *schedule) start() {
	var begun []*task
	var by []*session
	for len(q.free) > 0 && q.err == nil {
		i := q.next()
		if i < 0 {
			break
		}
		t, c := q.waiting[i], q.free[len(q.free)-1]
		q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
		q.bytes -= len(t.sql)
		q.free = q.free[:len(q.free)-1]
		q.running = append(q.running, t)
		begun, by = append(begun, t), append(by, c)
	}
	q.lend(begun)
	for i, t := range begun {
		go q.run(by[i], t)
	}
}

// lend gives to the tasks that build indexes as many processes of the server as there are sessions for which there is no work, so that no
// more of them work at the same time than the database's secret allows. mu is held.
func (q *schedule) lend(begun []*task) {
	spare, builders := len(q.free), 0
	for _, t := range begun {
		t.helpers = 0
		if t.builds {
			builders++
		}
	}
	for _, t := range q.running {
		spare -= t.helpers
	}
	for _, t := range begun {
		if t.builds {
			t.helpers = max(0, spare) / builders
			spare, builders = spare-t.helpers, builders-1
		}
	}
}

// run runs a task and starts what waited for it.
func (q *schedule) run(c *session, t *task) {
	err := q.do(q.ctx, c, t)
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.running {
		if q.running[i] == t {
			q.running = append(q.running[:i], q.running[i+1:]...)
			break
		}
	}
	q.free = append(q.free, c)
	switch {
	case sqlState(err) == deadlock && !t.alone && q.err == nil:
		t.alone = true
		q.waiting = append([]*task{t}, q.waiting...)
		q.bytes += len(t.sql)
	case err != nil && q.err == nil:
		q.err = err
		q.cancel()
	case t.check != nil:
		q.waiting = append(q.waiting, t.check)
		q.bytes += len(t.check.sql)
	}
	q.start()
	q.changed.Broadcast()
}

// next is the waiting task that can be started and has most to do, -1 where none can. mu is held.
func (q *schedule) next() int {
	running, before := newHeldLocks(q.running), newHeldLocks(q.running)
	best, bestCheck := -1, -1
	for i, t := range q.waiting {
		switch {
		case t.isCheck:
			if running.admits(t) && (bestCheck < 0 || t.weight > q.waiting[bestCheck].weight) {
				bestCheck = i
			}
			continue
		case before.admits(t) && (best < 0 || t.weight > q.waiting[best].weight):
			best = i
		}
		before.add(t)
	}
	if best < 0 {
		return bestCheck
	}
	return best
}

// heldLocks are the locks of tasks that come before another.
type heldLocks struct {
	tables map[*loadTable]bool // whether all have the lock of a table shared
	any    bool
	alone  bool
}

func newHeldLocks(tasks []*task) *heldLocks {
	h := &heldLocks{tables: map[*loadTable]bool{}}
	for _, t := range tasks {
		h.add(t)
	}
	return h
}

func (h *heldLocks) add(t *task) {
	h.any, h.alone = true, h.alone || t.alone
	for _, l := range t.locks {
		shared, ok := h.tables[l.table]
		h.tables[l.table] = l.shared && (shared || !ok)
	}
}

// admits reports whether a task may run beside those.
func (h *heldLocks) admits(t *task) bool {
	if h.alone || t.alone && h.any {
		return false
	}
	for _, l := range t.locks {
		if shared, ok := h.tables[l.table]; ok && !(shared && l.shared) {
			return false
		}
	}
	return true
}
