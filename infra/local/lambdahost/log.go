package lambdahost

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// maxLine cuts a line that never ends; Lambda cuts log events at 256 KiB.
const maxLine = 256 << 10

// lineLog writes whole lines of many writers, each with the name of where it came from.
type lineLog struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineLog) printf(label, format string, args ...any) {
	l.write(label, fmt.Sprintf(format, args...))
}

func (l *lineLog) write(label, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.w, "%s | %s\n", label, strings.TrimRight(line, "\r\n"))
}

// copy passes lines on until r ends.
func (l *lineLog) copy(label string, r io.Reader) {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			l.write(label, string(line))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
