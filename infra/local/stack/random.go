package stack

import (
	"crypto/rand"
	"encoding/binary"
)

// systemSource gives math/rand/v2's unbiased picks and shuffles the system's random numbers.
type systemSource struct{}

func (systemSource) Uint64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return binary.LittleEndian.Uint64(b[:])
}
