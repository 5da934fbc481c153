package jobs

import "time"

func init() { cancelEvery = 500 * time.Millisecond }

// AbandonedHint is what is said of a job that no worker has told the end of.
var AbandonedHint = abandonedHint
