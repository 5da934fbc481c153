package dumpfile

// This file is how members come to the output. One of them at a time holds it: one that has ended, while its bytes are written, or one
// that has outgrown the memory, until it ends. What has ended meanwhile waits in w.waiting and is written by whoever lets the output go.
//
// Nobody waits for ever: a goroutine waits only when no block is free and it may not take the output. It may not because another holds it,
// who needs no block but the one that is kept for holders, or because a member of an earlier kind is open. One of the earliest kind that
// is open may take it.

// grow gives m another block for its compressed bytes, when those that it has are full. It waits until there is one.
func (w *Writer) grow(m *MemberWriter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if w.err != nil {
			return w.err
		}
		if w.holder == m {
			return w.stream(m)
		}
		if w.outgrown(m) && w.mayHold(m) {
			w.hold(m)
			continue
		}
		if block := w.blocks.get(false); block != nil {
			m.blocks = append(m.blocks, block)
			return nil
		}
		if w.mayHold(m) {
			w.hold(m)
			continue
		}
		w.changed.Wait()
	}
}

// outgrown reports whether m has more than its share of the memory. The lock is held.
func (w *Writer) outgrown(m *MemberWriter) bool {
	members := 0
	for _, n := range w.open {
		members += n
	}
	return len(m.blocks) > 0 && len(m.blocks) >= (w.blocks.total-1)/max(members, 2)
}

// mayHold reports whether m may take the output. The lock is held.
func (w *Writer) mayHold(m *MemberWriter) bool {
	if w.holder != nil || m.rank < w.rank {
		return false
	}
	for _, n := range w.open[:m.rank] {
		if n > 0 {
			return false
		}
	}
	return true
}

// hold gives the output to m. The lock is held.
func (w *Writer) hold(m *MemberWriter) {
	w.holder = m
	w.rank = m.rank
	m.member.Offset = w.offset
}

// stream writes what there is of m, which holds the output, and leaves it one empty block. The lock is held, and let go meanwhile.
func (w *Writer) stream(m *MemberWriter) error {
	if len(m.blocks) == 0 {
		m.blocks = append(m.blocks, w.blocks.get(true))
		return nil
	}
	if err := w.write(m); err != nil {
		return err
	}
	w.blocks.put(m.blocks[1:])
	m.blocks = m.blocks[:1]
	m.blocks[0] = m.blocks[0][:0]
	w.changed.Broadcast()
	return nil
}

// write writes the blocks of m, which holds the output. The lock is held, and let go meanwhile.
func (w *Writer) write(m *MemberWriter) error {
	w.mu.Unlock()
	var err error
	for _, block := range m.blocks {
		if len(block) == 0 {
			continue
		}
		if err = w.output(block); err != nil {
			break
		}
	}
	w.mu.Lock()
	if err != nil {
		w.fail(err)
		return err
	}
	return w.err
}

// finish takes in a member that has ended, and writes what can be written now.
func (w *Writer) finish(m *MemberWriter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[m.rank]--
	m.ended = true
	w.changed.Broadcast()
	if w.err != nil {
		w.release(m)
		return w.err
	}
	if w.holder == m {
		if err := w.settle(m); err != nil {
			return err
		}
	} else {
		w.waiting = append(w.waiting, m)
	}
	return w.drain()
}

// drain writes members that wait, as long as there are some that may be written. The lock is held, and let go meanwhile.
func (w *Writer) drain() error {
	for w.err == nil && w.holder == nil {
		next := -1
		for i, m := range w.waiting {
			if next < 0 || m.rank < w.waiting[next].rank {
				next = i
			}
		}
		if next < 0 || !w.mayHold(w.waiting[next]) {
			break
		}
		m := w.waiting[next]
		w.waiting = append(w.waiting[:next], w.waiting[next+1:]...)
		w.hold(m)
		if err := w.settle(m); err != nil {
			return err
		}
	}
	return w.err
}

// settle writes the rest of a member that has ended and holds the output, and counts it in. The lock is held, and let go meanwhile.
func (w *Writer) settle(m *MemberWriter) error {
	err := w.write(m)
	w.release(m)
	if err != nil {
		return err
	}
	m.member.Line = w.lines + 1
	w.lines += m.lines
	w.offset += m.member.Length
	if m.member.Kind != indexKind {
		w.index.Members = append(w.index.Members, m.member)
	}
	if m.member.Table >= 0 {
		t := &w.index.Tables[m.member.Table]
		t.Rows += m.member.Rows
		t.Bytes += m.rowBytes
	}
	return nil
}

// drop takes out a member that is given up, or has no text.
func (w *Writer) drop(m *MemberWriter, broken error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[m.rank]--
	m.ended = true
	if w.holder == m {
		w.fail(broken)
	}
	w.release(m)
	return w.drain()
}

// release gives back the blocks of m, and the output if it holds it. The lock is held.
func (w *Writer) release(m *MemberWriter) {
	w.blocks.put(m.blocks)
	m.blocks = nil
	if w.holder == m {
		w.holder = nil
	}
	w.changed.Broadcast()
}
