package main

import (
	"context"

	"github.com/millrace-io/millrace/server"
)

// startTestServer runs a server in this process, on a free port.
func startTestServer(data string) (addr string, stop func(), err error) {
	s, err := server.New(server.Config{DataDirectory: data, NativeAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0", HTTPAddress: "127.0.0.1:0"})
	if err != nil {
		return "", nil, err
	}
	if err := s.Start(context.Background()); err != nil {
		return "", nil, err
	}
	return s.NativeAddress(), func() {
		if err := s.Shutdown(context.Background()); err != nil {
			panic(err)
		}
	}, nil
}
