package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace-io/millrace/failure"
	"github.com/millrace-io/millrace/internal/vfs"
)

const (
	certificateFile = "certificate.pem"
	keyFile         = "key.pem"

	certificateLife = 10 * 365 * 24 * time.Hour
	// pemBytesMax is more than either file has.
	pemBytesMax = 64 << 10
)

// SelfSigned returns the certificate of a directory, and makes one for localhost and these names if
// there is none. Once it was returned it stays the same, also if the machine fails, so that clients
// may be told to trust it: certificate.pem is what they need.
func SelfSigned(fsys vfs.FS, dir string, now time.Time, names ...string) (tls.Certificate, error) {
	operation := "web: certificate of " + dir
	loaded, err := load(fsys, dir, operation)
	if !errors.Is(err, errNone) {
		return loaded, err
	}
	if err := create(fsys, dir, now, names); err != nil {
		return tls.Certificate{}, failure.Wrap(failure.Unavailable, operation, err)
	}
	return load(fsys, dir, operation)
}

// errNone: the directory has no certificate yet.
var errNone = errors.New("there is no certificate")

// load returns the certificate that was made before, or errNone.
func load(fsys vfs.FS, dir, operation string) (tls.Certificate, error) {
	var none tls.Certificate
	certificate, err := read(fsys, filepath.Join(dir, certificateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return none, errNone
	}
	if err != nil {
		return none, failure.Wrap(failure.Unavailable, operation, err)
	}
	// Who made it may have been killed before it was there to stay.
	if err := errors.Join(fsys.SyncDir(dir), fsys.SyncDir(filepath.Dir(dir))); err != nil {
		return none, failure.Wrap(failure.Unavailable, operation, err)
	}
	key, err := read(fsys, filepath.Join(dir, keyFile))
	if err != nil {
		return none, failure.Wrap(failure.InvalidArgument, operation, err)
	}
	loaded, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return none, failure.Wrap(failure.InvalidArgument, operation, err)
	}
	return loaded, nil
}

func read(fsys vfs.FS, path string) ([]byte, error) {
	file, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.NewSectionReader(file, 0, pemBytesMax))
}

// create makes a key and a certificate. The key is on the device before the certificate is begun,
// whose file says that both are there: other orders leave a certificate whose key went with the power.
func create(fsys vfs.FS, dir string, now time.Time, names []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Millrace, self-signed"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
		DNSNames: []string{"localhost", "*.localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if name != "" {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := fsys.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := fsys.SyncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := write(fsys, filepath.Join(dir, keyFile), "PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	return write(fsys, filepath.Join(dir, certificateFile), "CERTIFICATE", signed, 0o644)
}

// write writes one PEM block; the file appears whole or not at all, also if the machine fails, and
// stays once write has returned.
func write(fsys vfs.FS, path, kind string, der []byte, mode os.FileMode) error {
	temporary := path + ".new"
	file, err := fsys.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_RDWR, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temporary, path); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}
