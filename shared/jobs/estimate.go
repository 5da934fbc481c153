package jobs

import "github.com/backup-restore/backup-restore/shared/backup"

// switchSeconds is what handing a copy over and exchanging it takes beside what grows with the file: some ten connections and as many
// statements as the file has owners and grants. An exchange took 0.1 to 0.6 s under two dozen clients on a busy machine of two
// processors; the rest is room for a network. What a worker needs to start is not in it.
const switchSeconds = 2

// estimate foretells from a dry run's stages how long a real run of the same file would take, and how long it would take to switch
// the copy in that the dry run has built. A real run does what the dry run did, and then the same switch.
func estimate(stages map[backup.Stage]backup.Timing) (realRun, apply float64) {
	for _, t := range stages {
		realRun += t.Seconds
	}
	return realRun + switchSeconds, switchSeconds
}
