package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/server/access"
)

const (
	requestBytesMax = 4 << 10
	headerBytesMax  = 8 << 10
	requestTimeout  = 30 * time.Second
)

// The documents of requests and answers.
type (
	createRequest struct {
		User string `json:"user"`
	}
	disableRequest struct {
		Disabled bool `json:"disabled"`
	}
	keysAnswer struct {
		Keys []access.Key `json:"keys"`
	}
	keyAnswer struct {
		Key    access.Key `json:"key"`
		Secret string     `json:"secret,omitempty"`
	}
	errorAnswer struct {
		Kind      failure.Kind `json:"kind"`
		Operation string       `json:"operation,omitempty"`
		Detail    string       `json:"detail"`
	}
)

// Server answers on the socket. Its methods may be called concurrently.
type Server struct{ http *http.Server }

// New returns a server of these keys. The logger gets one line per change; secrets are in none.
func New(keys *access.Keys, logger *slog.Logger) *Server {
	h := &handler{keys, logger}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", h.list)
	mux.HandleFunc("POST /keys", h.create)
	mux.HandleFunc("PUT /keys/{id}", h.disable)
	return &Server{&http.Server{
		Handler: mux, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, MaxHeaderBytes: headerBytesMax,
		ErrorLog: log.New(io.Discard, "", 0),
	}}
}

// Serve answers the connections of a listener, which it closes in the end, until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown removes the socket, answers what was asked, and cuts off what is left when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	return err
}

type handler struct {
	keys   *access.Keys
	logger *slog.Logger
}

func (h *handler) list(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, keysAnswer{h.keys.List()})
}

func (h *handler) create(w http.ResponseWriter, r *http.Request) {
	var in createRequest
	if !read(w, r, &in) {
		return
	}
	key, secret, err := h.keys.Create(in.User)
	if err != nil {
		refuse(w, err)
		return
	}
	h.logger.Info("access key created", "key", key.ID, "user", key.User)
	answer(w, http.StatusOK, keyAnswer{Key: key, Secret: secret})
}

func (h *handler) disable(w http.ResponseWriter, r *http.Request) {
	var in disableRequest
	if !read(w, r, &in) {
		return
	}
	key, err := h.keys.SetDisabled(r.PathValue("id"), in.Disabled)
	if err != nil {
		refuse(w, err)
		return
	}
	h.logger.Info("access key changed", "key", key.ID, "user", key.User, "disabled", key.Disabled)
	answer(w, http.StatusOK, keyAnswer{Key: key})
}

// read reads the document of a request, or answers that it is none.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, requestBytesMax))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		refuse(w, failure.Wrap(failure.Malformed, "control: request", err))
		return false
	}
	return true
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	shown := errorAnswer{Kind: failure.KindOf(err), Detail: err.Error()}
	var named *failure.Error
	if errors.As(err, &named) && named.Detail != "" {
		shown.Operation, shown.Detail = named.Operation, named.Detail
	}
	status := http.StatusInternalServerError
	switch shown.Kind {
	case failure.NotFound:
		status = http.StatusNotFound
	case failure.InvalidArgument, failure.Malformed:
		status = http.StatusBadRequest
	case failure.Closed, failure.Unavailable:
		status = http.StatusServiceUnavailable
	default:
	}
	answer(w, status, shown)
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // a client that is gone needs no answer
}
