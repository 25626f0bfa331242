package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestReadinessFollowsTheComponents(t *testing.T) {
	steps := []struct {
		name string
		act  func(h *health)
		want status
		code int
	}{
		{"nothing is known", func(*health) {}, statusStarting, http.StatusServiceUnavailable},
		{"recovering", func(h *health) { h.set(componentStore, statusStarting, "opening") }, statusStarting, http.StatusServiceUnavailable},
		{"store open", func(h *health) { h.set(componentStore, statusOK, "") }, statusStarting, http.StatusServiceUnavailable},
		{"native open", func(h *health) { h.set(componentNative, statusOK, "") }, statusStarting, http.StatusServiceUnavailable},
		{"serving", func(h *health) { h.set(componentHTTP, statusOK, "") }, statusOK, http.StatusOK},
		{"degraded", func(h *health) { h.set(componentStore, statusDegraded, "") }, statusOK, http.StatusOK},
		{"listener lost", func(h *health) { h.set(componentNative, statusFailed, "gone") }, statusFailed, http.StatusServiceUnavailable},
		{"back", func(h *health) { h.set(componentNative, statusOK, "") }, statusOK, http.StatusOK},
		{"stopping", func(h *health) { h.stop() }, statusStopping, http.StatusServiceUnavailable},
	}
	s := &Server{}
	for _, step := range steps {
		step.act(&s.health)
		if got := s.health.report().Status; got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
		answer := httptest.NewRecorder()
		s.serveReady(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if answer.Code != step.code {
			t.Errorf("%s: code %d, want %d", step.name, answer.Code, step.code)
		}
	}
}
