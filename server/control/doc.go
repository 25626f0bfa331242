// Package control is how commands talk to the server of a data directory on the same machine:
// over the Unix socket [Name] in that directory. Whoever may open the file may do what it
// offers; no port gives that power. It now offers access keys, see package access.
//
//	listener, err := control.Listen(ctx, directory)
//	server := control.New(keys, logger)
//	err = server.Serve(listener)
//
// and on the other side
//
//	client, err := control.Dial(ctx, directory)
//	key, secret, err := client.Create(ctx, "ada")
//
// # The requests
//
// HTTP with documents of JSON. It is no public interface: a command and the server it talks to are
// of one release.
//
//	GET  /keys        {"keys": [KEY, ...]}
//	POST /keys        {"user": "ada"}     ->  {"key": KEY, "secret": "..."}
//	PUT  /keys/ID     {"disabled": true}  ->  {"key": KEY}
//
// An error has the number of its kind, see package failure, and a text:
//
//	{"kind": 2, "operation": "access: key", "detail": "..."}
//
// # Caveats
//
// The path of a Unix socket has a limit of about 100 bytes in every system. In a directory whose
// path is longer there is no socket: [Path] says so, the server goes on without, and
// commands open the directory themselves while no server does.
//
// # File map
//
//	socket.go   the file: where it is, and how it comes and goes
//	server.go   what is answered
//	client.go   what is asked
package control
