package installed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace-io/millrace/bench/target"
)

// Variable names the folder of installed programs; the harness sets it.
const Variable = "MILLRACE_PEERS"

// root returns the folder of installed programs: what the harness says, or else
// .cache/peers in the nearest folder above the working directory that has one.
func root() string {
	if folder := os.Getenv(Variable); folder != "" {
		return folder
	}
	below := filepath.Join(".cache", "peers")
	at, err := os.Getwd()
	if err != nil {
		return below
	}
	for {
		folder := filepath.Join(at, below)
		if _, err := os.Stat(folder); err == nil || at == filepath.Dir(at) {
			return folder
		}
		at = filepath.Dir(at)
	}
}

// Version returns the version that was noted for a program when it was installed,
// or "not installed".
func Version(program string) string {
	version, err := os.ReadFile(filepath.Join(root(), program, "version"))
	if err != nil {
		return "not installed"
	}
	return strings.TrimSpace(string(version))
}

// Folder returns the absolute path of the folder that a program was installed
// into, for the target of that name. If it is not installed, the error is an
// *target.UnavailableError with the remedy, and with the reason if installing
// was tried.
func Folder(name, program string) (string, error) {
	folder, err := filepath.Abs(filepath.Join(root(), program))
	if err != nil {
		return "", fmt.Errorf("installed: look for %s: %w", program, err)
	}
	_, err = os.Stat(filepath.Join(folder, "version"))
	switch {
	case err == nil:
		return folder, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("installed: look for %s: %w", program, err)
	}
	remedy := "run bench/peers/install.sh " + program
	reason := "its server is not installed: " + remedy
	if said, err := os.ReadFile(filepath.Join(folder, "reason.txt")); err == nil {
		reason = fmt.Sprintf("its server could not be installed: %s; once that is mended, %s", strings.TrimSpace(string(said)), remedy)
	}
	return "", &target.UnavailableError{Target: name, Reason: reason}
}
