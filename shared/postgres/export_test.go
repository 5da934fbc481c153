package postgres

import "time"

// SetPreparedAge changes when a prepared transaction is taken for a forgotten one.
func (e *Engine) SetPreparedAge(d time.Duration) { e.preparedAge = d }
