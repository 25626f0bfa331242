package control

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/millrace-io/millrace/failure"
)

// Name is the socket's, in the data directory.
const Name = "control.sock"

const (
	// pathMax is the longest path that every system takes: 104 bytes with the zero at the
	// end on some, 108 on Linux.
	pathMax = 100
	// The socket is made in a folder that nobody else may enter, and gets its name when
	// only its owner may open it: there is no moment in which others could. Together they are
	// no longer than Name.
	folderName = ".control"
	unnamed    = "s"
)

// Path returns the path of the socket of a data directory. One that is too long for a socket is
// failure.InvalidArgument.
func Path(directory string) (string, error) {
	path := filepath.Join(directory, Name)
	if len(path) > pathMax {
		return "", failure.New(failure.InvalidArgument, "control: "+path,
			"the path has %d bytes and a socket's may have %d: there is no control socket in so deep a directory", len(path), pathMax)
	}
	return path, nil
}

// Listen makes the socket, which only its owner may open, in place of one that a dead server has
// left. The caller holds the lock of the directory: of two servers the second would take the
// socket from the first. Closing the listener removes the socket.
func Listen(ctx context.Context, directory string) (net.Listener, error) {
	path, err := Path(directory)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(directory, folderName)
	l, err := listenIn(ctx, folder)
	if err == nil {
		if err = os.Rename(filepath.Join(folder, unnamed), path); err != nil {
			err = errors.Join(err, l.Close())
		}
	}
	if err = errors.Join(err, os.RemoveAll(folder)); err != nil {
		return nil, failure.Wrap(failure.Unavailable, "control: listen on "+path, err)
	}
	return &socket{l, path}, nil
}

// listenIn makes a socket in a folder of its own.
func listenIn(ctx context.Context, folder string) (net.Listener, error) {
	if err := os.RemoveAll(folder); err != nil { // of a server that died while it started
		return nil, err
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, unnamed)
	var configuration net.ListenConfig
	l, err := configuration.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if unix, ok := l.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // it knows the first name only
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// socket is a listener that removes its file.
type socket struct {
	net.Listener
	path string
}

// Close ends listening. It may be called twice.
func (s *socket) Close() error {
	err := s.Listener.Close()
	if removed := os.Remove(s.path); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
