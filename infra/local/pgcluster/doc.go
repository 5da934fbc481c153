// Package pgcluster runs a private PostgreSQL server as a child of this process: for the demo database of the local stack
// and for the tests.
//
// [Start] makes the cluster where there is none, starts the server and waits until it takes connections; [Cluster.Stop]
// ends it. Nothing of the machine's own PostgreSQL is touched: the cluster has its own folder, port, superuser and
// password, listens on 127.0.0.1 only and has no unix socket.
//
// PostgreSQL refuses to run as root. Started by root, the server runs as the user postgres (or nobody), also where the
// folder lies below one which that user may not enter.
package pgcluster
