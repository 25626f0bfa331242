package server

import (
	"context"

	"github.com/millrace-io/millrace/server/access"
	"github.com/millrace-io/millrace/server/control"
)

// openKeys reads the access keys, and begins to answer the commands that change them.
func (s *Server) openKeys(ctx context.Context) error {
	keys, err := access.Open(s.Store(), s.config.Streams.Account, s.config.Store.Clock)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	s.keys = keys
	s.mutex.Unlock()
	listener, err := control.Listen(ctx, s.config.DataDirectory)
	if err != nil {
		// Records can be served without. Keys can then be changed while no server runs.
		s.config.Logger.Warn("no control socket", "err", err)
		return nil
	}
	serving := control.New(keys, s.config.Logger)
	s.mutex.Lock()
	s.control = serving
	s.mutex.Unlock()
	s.group.Go(func() {
		if err := serving.Serve(listener); err != nil {
			s.config.Logger.Error("control socket ended", "err", err)
		}
	})
	return nil
}

// Keys returns the access keys, or nil before they are open.
func (s *Server) Keys() *access.Keys {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.keys
}
