package jobs

import "time"

func init() { cancelEvery = 500 * time.Millisecond }
