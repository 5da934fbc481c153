package dumpfile

// Sizes of memory, in bytes.
const (
	defaultMemory = 32 << 20
	blockSize     = 256 << 10
	minBlock      = 1 << 10
	minBlocks     = 4 // below it blocks get smaller
)

// blocks are the memory of a Writer: blocks of one size, made when they are first wanted, and never more than total. They are guarded by
// the Writer's lock.
type blocks struct {
	size  int
	total int
	inUse int
	free  [][]byte
}

func newBlocks(memory int64) blocks {
	if memory <= 0 {
		memory = defaultMemory
	}
	size := int64(blockSize)
	for size > minBlock && memory/size < minBlocks {
		size /= 2
	}
	return blocks{size: int(size), total: int(max(memory/size, 2))}
}

// get is an empty block, nil where there is none. The last is for whoever holds the output: it always gets on.
func (b *blocks) get(holder bool) []byte {
	limit := b.total
	if !holder {
		limit--
	}
	if b.inUse >= limit {
		return nil
	}
	b.inUse++
	if n := len(b.free); n > 0 {
		block := b.free[n-1]
		b.free = b.free[:n-1]
		return block
	}
	return make([]byte, 0, b.size)
}

func (b *blocks) put(full [][]byte) {
	for _, block := range full {
		b.free = append(b.free, block[:0])
	}
	b.inUse -= len(full)
}
