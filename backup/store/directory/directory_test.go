package directory_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-io/millrace/backup/store"
	"github.com/millrace-io/millrace/backup/store/directory"
	"github.com/millrace-io/millrace/backup/store/storetest"
	"github.com/millrace-io/millrace/failure"
)

var _ store.Store = (*directory.Store)(nil)

func TestStore(t *testing.T) {
	storetest.Run(t, directory.Open(filepath.Join(t.TempDir(), "new", "store")), 20)
}

func TestNamesStayInside(t *testing.T) {
	s := directory.Open(t.TempDir())
	for _, name := range []string{"../x", "/x", "a/../../x", "", "objects/.tmp-1"} {
		if err := s.Put(t.Context(), name, strings.NewReader(""), 0, store.Digest{}); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("put %q: %v", name, err)
		}
		if _, err := s.Get(t.Context(), name); !errors.Is(err, failure.InvalidArgument) {
			t.Errorf("get %q: %v", name, err)
		}
	}
}
