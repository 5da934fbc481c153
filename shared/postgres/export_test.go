package postgres

import "time"

// SetPreparedAge changes when a prepared transaction is taken for a forgotten one.
func (e *Engine) SetPreparedAge(d time.Duration) { e.preparedAge = d }

// SetLargeTable changes from how many bytes on a table is not read through for its newest row.
func (e *Engine) SetLargeTable(bytes int64) { e.largeTable = bytes }

// SetRangeBytes changes from how much text on a table is cut into ranges of pages.
func (e *Engine) SetRangeBytes(bytes int64) { e.rangeBytes = bytes }
