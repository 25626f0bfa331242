// Package server is the Millrace server: one data directory behind a native
// listener, with an admin listener beside it.
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
// then the data directory, then the native listener. Shutdown goes backwards:
// readiness fails, no connection is accepted any more, what was read is answered
// until the context ends, the logs are synced and closed, and the admin listener
// goes last.
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
// There is no authentication yet. A server therefore refuses to listen on
// anything but the loopback interface unless Config.Insecure says that the
// network itself is trusted.
package server
