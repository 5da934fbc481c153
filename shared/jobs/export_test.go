package jobs

import "time"

func init() { cancelEvery = 100 * time.Millisecond }
