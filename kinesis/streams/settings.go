package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/stream"
)

// settingsKey names the document of a stream that holds its settings.
const settingsKey = "kinesis/settings"

const (
	settingsVersion = 1

	modeProvisioned = "PROVISIONED"
	modeOnDemand    = "ON_DEMAND"

	encryptionNone = "NONE"
	encryptionKMS  = "KMS"

	distributionUser = "USER_PARTITION_KEY"
	distributionAuto = "AUTO"

	statusCreating = "CREATING"
	statusActive   = "ACTIVE"
	statusUpdating = "UPDATING"
	statusDeleting = "DELETING"

	recordKiBDefault = 1024
)

// settings are what AWS knows of a stream and package stream does not. A stream that was not
// made by this API has the zero value. A value is never changed once it is shared.
type settings struct {
	Version      int               `json:"version"`
	Mode         string            `json:"mode,omitempty"`
	Encryption   string            `json:"encryption,omitempty"`
	Key          string            `json:"key,omitempty"`
	Monitoring   []string          `json:"monitoring,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
	Policy       string            `json:"policy,omitempty"`
	RecordKiBMax int64             `json:"record_kib_max,omitempty"`
	WarmMiBps    int64             `json:"warm_mibps,omitempty"`
	Distribution string            `json:"distribution,omitempty"`
	// Status is what the stream shows until StatusUntil, in Unix nanoseconds. DELETING has no
	// end but the stream's.
	Status      string `json:"status,omitempty"`
	StatusUntil int64  `json:"status_until,omitempty"`
	// Times, in Unix nanoseconds, of what AWS allows so often in 24 hours.
	CountChanges []int64 `json:"count_changes,omitempty"`
	ModeChanges  []int64 `json:"mode_changes,omitempty"`
	KeyChanges   []int64 `json:"key_changes,omitempty"`
}

// withDefaults fills what the zero value means.
func (s settings) withDefaults() settings {
	s.Version = settingsVersion
	if s.Mode == "" {
		s.Mode = modeProvisioned
	}
	if s.Encryption == "" {
		s.Encryption = encryptionNone
	}
	if s.RecordKiBMax == 0 {
		s.RecordKiBMax = recordKiBDefault
	}
	if s.Distribution == "" {
		s.Distribution = distributionUser
	}
	return s
}

// clone returns a copy that may be changed.
func (s settings) clone() *settings {
	s.Monitoring = slices.Clone(s.Monitoring)
	s.Tags = maps.Clone(s.Tags)
	s.CountChanges = slices.Clone(s.CountChanges)
	s.ModeChanges = slices.Clone(s.ModeChanges)
	s.KeyChanges = slices.Clone(s.KeyChanges)
	return &s
}

// statusAt returns the state that the stream shows.
func (s *settings) statusAt(now time.Time) string {
	if s.Status == statusDeleting || now.UnixNano() < s.StatusUntil {
		return s.Status
	}
	return statusActive
}

// settingsOf returns the settings of a stream, from memory if they were read before.
func (a *API) settingsOf(of *stream.Stream) (*settings, error) {
	a.mutex.RLock()
	known := a.settings[of.ID()]
	a.mutex.RUnlock()
	if known != nil {
		return known, nil
	}
	var read settings
	value, found, err := of.Documents().Get(settingsKey)
	if err != nil {
		return nil, a.notFound(of.Name(), err)
	}
	if found {
		if err := json.Unmarshal(value, &read); err != nil {
			return nil, failure.Wrap(failure.Corrupt, "streams: settings of "+of.Name(), err)
		}
		if read.Version > settingsVersion {
			return nil, failure.New(failure.NewerVersion, "streams: settings of "+of.Name(), "version %d is newer than %d; use a newer release", read.Version, settingsVersion)
		}
	}
	read = read.withDefaults()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if changed := a.settings[of.ID()]; changed != nil {
		return changed, nil // newer than what was read
	}
	a.settings[of.ID()] = &read
	return &read, nil
}

// change changes the settings of a stream: durable when it returns. One change at a time:
// do sees the newest settings, may refuse, and may do what must happen with the change.
func (a *API) change(ctx context.Context, t *target, do func(*settings) error) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	now, err := a.settingsOf(t.Stream)
	if err != nil {
		return err
	}
	changed := now.clone()
	if err := do(changed); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	value, err := json.Marshal(changed)
	if err != nil {
		return fmt.Errorf("streams: encode settings of %s: %w", t.Name(), err)
	}
	if err := t.Documents().Put(settingsKey, value); err != nil {
		return a.gone(t, err)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.settings[t.ID()] = changed
	t.settings = changed
	return nil
}

// update is change for what AWS allows while a stream is ACTIVE only and what leaves it
// UPDATING for a while.
func (a *API) update(ctx context.Context, t *target, do func(*settings) error) error {
	return a.change(ctx, t, func(s *settings) error {
		if err := a.requireActive(t, s); err != nil {
			return err
		}
		if err := do(s); err != nil {
			return err
		}
		s.Status, s.StatusUntil = statusUpdating, a.soon()
		return nil
	})
}

// soon is when a state that begins now ends.
func (a *API) soon() int64 { return a.options.Clock.Now().Add(a.options.StatusDelay).UnixNano() }

// allow counts a change that AWS allows so often in 24 hours, and refuses one too many.
func (a *API) allow(times *[]int64, most int, what string) error {
	now := a.options.Clock.Now()
	since := now.Add(-24 * time.Hour).UnixNano()
	*times = slices.DeleteFunc(*times, func(t int64) bool { return t < since })
	if a.options.EnforceLimits && len(*times) >= most {
		return limitExceeded("%s can be changed %d times in 24 hours.", what, most)
	}
	*times = append(*times, now.UnixNano())
	if len(*times) > changesKept {
		*times = (*times)[len(*times)-changesKept:]
	}
	return nil
}

// changesKept bounds the times that are kept where nothing is enforced.
const changesKept = 64
