// Package server is the Millrace server: one data directory behind the API of AWS and a
// native listener, with an admin listener beside them.
//
// A server is made by [New], runs from [Server.Start] until [Server.Shutdown],
// and cannot be started again.
//
//	s, err := server.New(server.Config{DataDirectory: "data"})
//	if err != nil {
//		return err
//	}
//	if err := s.Start(ctx); err != nil {
//		return err
//	}
//	<-ctx.Done()
//	return s.Shutdown(drain)
//
// # Order of things
//
// Start opens the admin listener first, so that a long recovery can be watched,
// then the data directory, the control socket in it, and the listeners. Shutdown goes
// backwards: readiness fails, no connection is accepted any more, what was read is
// answered until the context ends, the logs are synced and closed, and the admin
// listener goes last.
//
// # The admin listener
//
//	/livez          200 as long as the process serves
//	/readyz         200 when requests are served, 503 otherwise, with the state of
//	                each component as JSON; details with ?verbose
//	/metrics        Prometheus metrics: see package metric
//	/debug/pprof/   profiles
//
// # Who may connect
//
// The API of AWS verifies signatures, by the access keys of package access, on every
// address that others than this machine can reach; on loopback it believes what a
// request says of itself, unless Config.Signatures is set. The native and the admin
// listener authenticate nobody. They therefore refuse addresses that are not
// loopback unless Config.Insecure says that the network itself is trusted, which also
// has the API of AWS believe everything everywhere.
//
// Keys are made and disabled over the control socket in the data directory, by whoever may
// open that file: see package control. No port gives that power.
package server
