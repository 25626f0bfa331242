package server

import (
	"encoding/json"
	"net/http"
	"sync"
)

// component is a part of the server that can be ready or not.
type component string

const (
	componentStore  component = "store"
	componentNative component = "native"
	componentHTTP   component = "http"
)

// status is the state of a component.
type status string

const (
	statusStarting status = "starting"
	statusOK       status = "ok"
	// statusDegraded is a part that serves, but not all it should.
	statusDegraded status = "degraded"
	statusFailed   status = "failed"
	statusStopping status = "stopping"
)

// ready reports whether requests may be sent. A degraded server takes them: one
// damaged shard must not take the others out of service.
func (s status) ready() bool { return s == statusOK || s == statusDegraded }

// componentHealth is what /readyz tells of one component.
type componentHealth struct {
	Status  status   `json:"status"`
	Detail  string   `json:"detail,omitempty"`
	Details []string `json:"details,omitempty"`
}

// report is the answer of /readyz.
type report struct {
	Status     status                        `json:"status"`
	Components map[component]componentHealth `json:"components"`
}

// health is the state of all components.
type health struct {
	mutex      sync.Mutex
	components map[component]componentHealth // guarded by mutex
	stopping   bool                          // guarded by mutex
}

func (h *health) set(part component, s status, detail string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.components == nil {
		h.components = make(map[component]componentHealth)
	}
	h.components[part] = componentHealth{Status: s, Detail: detail}
}

// stop fails readiness for good.
func (h *health) stop() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.stopping = true
}

// report returns the state of all components and of the whole.
func (h *health) report() report {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	r := report{Status: statusOK, Components: make(map[component]componentHealth)}
	for _, part := range []component{componentStore, componentHTTP, componentNative} {
		state, known := h.components[part]
		if !known {
			state = componentHealth{Status: statusStarting}
		}
		r.Components[part] = state
		if !state.Status.ready() {
			r.Status = state.Status
		}
	}
	if h.stopping {
		r.Status = statusStopping
	}
	return r
}

// damageListed is how many errors /readyz?verbose lists; the rest is a number.
const damageListed = 20

// serveReady answers /readyz.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	answer := s.health.report()
	if store := s.Store(); store != nil && answer.Status.ready() {
		if damage := store.Damage(); len(damage) > 0 {
			answer.Status = statusDegraded
			degraded := componentHealth{Status: statusDegraded, Detail: "some shards take no records"}
			for _, err := range damage[:min(len(damage), damageListed)] {
				degraded.Details = append(degraded.Details, err.Error())
			}
			answer.Components[componentStore] = degraded
		}
	}
	if !r.URL.Query().Has("verbose") {
		for part, state := range answer.Components {
			state.Details = nil
			answer.Components[part] = state
		}
	}
	code := http.StatusOK
	if !answer.Status.ready() {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	// A client that is gone needs no answer.
	_ = json.NewEncoder(w).Encode(answer)
}

// serveLive answers /livez.
func serveLive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}
