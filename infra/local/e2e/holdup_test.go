package e2e

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// holdup stands between the clients of one database and its server and can stop a session at an exact point of what the two
// say to each other. Nobody has to be quick to find a session there: it stays until it is let go.
//
// It reads the wire protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html) without TLS, and passes
// everything on as it came, except for what a stop changes.
type holdup struct {
	server string
	port   int

	mu   sync.Mutex
	stop *stop // the next to happen; nil for none
}

// moment is when a session stops, after it has sent the SQL of a stop.
type moment int

const (
	before   moment = iota // the server has not seen the SQL
	flowing                // the first row of a COPY was sent, and has not arrived
	answered               // the server has done it, and the client does not know
	inside                 // the server has done some of the message's statements and waits on a lock before the next
)

// stop is a point of a session.
type stop struct {
	database *regexp.Regexp // that the session is in; nil for any
	sql      *regexp.Regexp // part of a message; for inside, the server waits where its first group is
	at       moment
	tag      string // for answered: what is done, as the server calls it, such as COMMIT; anything where ""
	insert   string // for inside: the statements that wait
	reached  chan *held
}

// held is a session that has stopped.
type held struct {
	port  int    // from which the client is connected
	to    int    // the port that it is connected to
	letGo func() // ends the session
}

// arm makes the next session that comes to s stop there. The channel tells when.
func (h *holdup) arm(s stop) <-chan *held {
	s.reached = make(chan *held, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop = &s
	return s.reached
}

// hits takes the stop if sql in a session of database is where it is.
func (h *holdup) hits(database, sql string) *stop {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stop
	if s == nil || !s.sql.MatchString(sql) || s.database != nil && !s.database.MatchString(database) {
		return nil
	}
	h.stop = nil
	return s
}

// makeHoldups puts one before each database over which workers are killed.
func (w *world) makeHoldups() error {
	w.holdups = map[string]*holdup{}
	for _, dbname := range databases {
		if !strings.HasPrefix(dbname, "e2e_kill_") {
			continue
		}
		h, err := newHoldup(net.JoinHostPort("127.0.0.1", strconv.Itoa(w.cluster.Port())))
		if err != nil {
			return err
		}
		w.holdups[dbname] = h
	}
	return nil
}

// newHoldup listens until the process ends.
func newHoldup(server string) (*holdup, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &holdup{server: server, port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go h.serve(client)
		}
	}()
	return h, nil
}

func (h *holdup) serve(client net.Conn) {
	server, err := net.Dial("tcp", h.server)
	if err != nil {
		_ = client.Close()
		return
	}
	s := &session{door: h, client: client, server: server,
		asks: bufio.NewReaderSize(client, 64<<10), answers: bufio.NewReaderSize(server, 64<<10), gone: make(chan struct{})}
	defer s.end()
	if s.greet() != nil {
		return
	}
	go func() {
		defer s.end()
		_ = s.relay(s.answers, client, s.answer)
	}()
	_ = s.relay(s.asks, server, s.ask)
}

// session is one connection of a client.
type session struct {
	door           *holdup
	client, server net.Conn
	asks, answers  *bufio.Reader
	database       string
	once           sync.Once
	gone           chan struct{} // closed with both connections

	mu  sync.Mutex
	due *stop // its SQL was sent, its moment has not come
}

func (s *session) end() {
	s.once.Do(func() {
		_ = s.client.Close()
		_ = s.server.Close()
		close(s.gone)
	})
}

// The first messages of a client have no type. These ask for encryption, which the tests' server declines by one byte.
const (
	sslRequest = 80877103
	gssRequest = 80877104
)

// greet passes on what comes before the typed messages.
func (s *session) greet() error {
	for {
		var length [4]byte
		if _, err := io.ReadFull(s.asks, length[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(length[:])
		if n < 8 || n > 10<<10 {
			return errors.New("no startup message")
		}
		body := make([]byte, n-4)
		if _, err := io.ReadFull(s.asks, body); err != nil {
			return err
		}
		if _, err := s.server.Write(append(length[:], body...)); err != nil {
			return err
		}
		if code := binary.BigEndian.Uint32(body); code != sslRequest && code != gssRequest {
			s.database = parameter(body[4:], "database")
			return nil
		}
		no, err := s.answers.ReadByte()
		if err != nil {
			return err
		}
		if _, err := s.client.Write([]byte{no}); err != nil {
			return err
		}
		if no != 'N' {
			return errors.New("the server encrypts")
		}
	}
}

// parameter is a value of a startup message: names and values in turn, each with a zero byte at its end.
func parameter(list []byte, name string) string {
	words := strings.Split(string(list), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == name {
			return words[i+1]
		}
	}
	return ""
}

// message is one of the protocol's, with its type.
type message struct {
	kind byte
	body []byte
}

// relay passes messages on as pass gives them back, until it is to stop or a connection fails.
func (s *session) relay(from *bufio.Reader, to io.Writer, pass func(message) (message, *stop)) error {
	out := bufio.NewWriterSize(to, 64<<10)
	for {
		var head [5]byte
		if _, err := io.ReadFull(from, head[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(head[1:])
		if n < 4 {
			return errors.New("a message shorter than its length")
		}
		m := message{kind: head[0], body: make([]byte, n-4)}
		if _, err := io.ReadFull(from, m.body); err != nil {
			return err
		}
		m, due := pass(m)
		if due != nil {
			_ = out.Flush() // what came before has arrived
			s.tell(due)
			<-s.gone
			return errHeld
		}
		binary.BigEndian.PutUint32(head[1:], uint32(len(m.body)+4))
		_, _ = out.Write(head[:])
		_, _ = out.Write(m.body)
		if from.Buffered() > 0 {
			continue
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

var errHeld = errors.New("held up")

// tell says that a stop was reached.
func (s *session) tell(due *stop) {
	due.reached <- &held{port: s.client.RemoteAddr().(*net.TCPAddr).Port, to: s.door.port, letGo: s.end}
}

// Types of messages, and the one that both sides send.
const (
	query           = 'Q'
	parse           = 'P'
	commandComplete = 'C'
	copyData        = 'd'
)

// ask looks at what the client sends.
func (s *session) ask(m message) (message, *stop) {
	if m.kind == copyData {
		return m, s.reached(flowing, "")
	}
	if m.kind != query && m.kind != parse {
		return m, nil
	}
	hit := s.door.hits(s.database, string(m.body))
	switch {
	case hit == nil:
	case hit.at == before:
		return m, hit
	case hit.at == inside:
		at := hit.sql.FindSubmatchIndex(m.body)[2]
		m.body = []byte(string(m.body[:at]) + hit.insert + string(m.body[at:]))
		s.tell(hit) // it is the server that stops here
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.due = hit
	}
	return m, nil
}

// answer looks at what the server sends.
func (s *session) answer(m message) (message, *stop) {
	switch m.kind {
	case copyData:
		return m, s.reached(flowing, "")
	case commandComplete:
		return m, s.reached(answered, strings.TrimRight(string(m.body), "\x00"))
	}
	return m, nil
}

// reached takes the stop that is due if this is its moment.
func (s *session) reached(at moment, tag string) *stop {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.due
	if due == nil || due.at != at || due.tag != "" && due.tag != tag {
		return nil
	}
	s.due = nil
	return due
}
