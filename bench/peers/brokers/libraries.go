package main

import (
	"errors"
	"fmt"
	"path/filepath"
)

// libraryPath returns the folder of shared libraries below an unpacked lib: it
// has the name of the machine, as Debian arranges it.
func libraryPath(lib string) (string, error) {
	found, err := filepath.Glob(filepath.Join(lib, "*-linux-gnu*"))
	if err != nil || len(found) == 0 {
		return "", errors.Join(fmt.Errorf("brokers: %s has no shared libraries: remove its folder and run bench/peers/install.sh again", lib), err)
	}
	return found[0], nil
}
