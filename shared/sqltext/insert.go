package sqltext

// inserting is what the scanner learns of an INSERT on its way: dumps with one statement a row leave no time for a second look.
type inserting struct {
	is    bool
	state insertState
	rows  int64
	dots  int  // between names before VALUES
	named bool // it may call a function that reaches out of the database
	calls bool // it calls some function in its values
	odd   bool // rows may be other than the tuples: a query, ON CONFLICT, UNION
	word  bool // the last token was a word
	deflt bool // which was DEFAULT
}

type insertState uint8

const (
	beforeValues insertState = iota
	beforeTuple
	insideTuple // or behind one
	behindTuples
)

// Insertion is what an INSERT does.
type Insertion struct {
	Rows  int64 // tuples of VALUES; 1 for DEFAULT VALUES
	Exact bool  // it inserts these rows, triggers and rules aside: there is no query, no ON CONFLICT
	Calls bool  // its values call functions
}

// Insertion is what an INSERT does; false for every other item.
func (i Item) Insertion() (Insertion, bool) {
	in := i.insert
	return Insertion{Rows: in.rows, Exact: !in.odd && in.state != beforeValues, Calls: in.calls}, in.is
}

// InsertTarget is the table of an INSERT, with its names as the server has them, and where in text the name ends. schema is ""
// where the statement names none. ok is false for whatever else.
func InsertTarget(text []byte) (schema, table string, end int, ok bool) {
	n, dot := 0, true
	for t := range Tokens(text) {
		switch {
		case n == 0 && !t.Is("insert"), n == 1 && !t.Is("into"):
			return "", "", 0, false
		case n < 2:
		case dot && t.Name() != "":
			schema, table, end, dot = table, t.Name(), t.Offset+len(t.Text), false
		case !dot && t.IsPunct('.'):
			dot = true
		default:
			return schema, table, end, table != "" && !dot
		}
		n++
	}
	return schema, table, end, table != "" && !dot
}

// insertWord follows the words of an INSERT.
func (st *statement) insertWord(w []byte) {
	in := &st.insert
	in.named = in.named || mayReach(w)
	if st.parens > 0 {
		in.word = true
		in.odd = in.odd || in.state == beforeValues && len(w) == 6 && same(w, "select")
		return
	}
	in.word = false
	switch in.state {
	case beforeValues:
		switch {
		case same(w, "values"):
			if in.state = beforeTuple; in.deflt {
				in.rows, in.state = 1, behindTuples
			}
		case same(w, "select"), same(w, "with"), same(w, "table"):
			in.odd = true
		}
		in.deflt = same(w, "default")
	case beforeTuple, insideTuple:
		in.state = behindTuples
		in.odd = in.odd || !same(w, "returning")
	case behindTuples:
		in.odd = in.odd || same(w, "on")
	}
}

// insertPunct follows the punctuation of an INSERT, before its parentheses are counted. It reports whether the first tuple begins.
func (st *statement) insertPunct(c byte) (begins bool) {
	in := &st.insert
	switch {
	case c == '(' && st.parens > 0:
		in.calls = in.calls || in.word && in.state == insideTuple
	case c == '(' && in.state == beforeTuple:
		in.rows++
		in.state = insideTuple
		begins = in.rows == 1
	case c == ',' && st.parens == 0 && in.state == insideTuple:
		in.state = beforeTuple
	case c == '.' && in.state == beforeValues:
		in.dots++
	}
	in.word = false
	return begins
}
