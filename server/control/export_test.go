package control

import "net/http"

// ServeHTTP answers a request without a socket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }
