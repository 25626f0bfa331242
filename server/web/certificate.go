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
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace-io/millrace/failure"
)

const (
	certificateFile = "certificate.pem"
	keyFile         = "key.pem"

	certificateLife = 10 * 365 * 24 * time.Hour
)

// SelfSigned returns the certificate of a directory, and makes one for localhost and these names if
// there is none. It stays the same, so that clients may be told to trust it:
// certificate.pem is what they need.
func SelfSigned(dir string, now time.Time, names ...string) (tls.Certificate, error) {
	certificate, key := filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile)
	_, err := os.Stat(certificate)
	if errors.Is(err, fs.ErrNotExist) {
		err = create(dir, certificate, key, now, names)
	}
	if err != nil {
		return tls.Certificate{}, failure.Wrap(failure.Unavailable, "web: certificate of "+dir, err)
	}
	loaded, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return tls.Certificate{}, failure.Wrap(failure.InvalidArgument, "web: certificate of "+dir, err)
	}
	return loaded, nil
}

// create makes a key and a certificate. The key is there before the certificate, whose file says
// that both are.
func create(dir, certificate, keyPath string, now time.Time, names []string) error {
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
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := write(keyPath, "PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	return write(certificate, "CERTIFICATE", signed, 0o644)
}

// write writes one PEM block; the file appears whole or not at all, also if the machine fails.
func write(path, kind string, der []byte, mode os.FileMode) error {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	err = pem.Encode(file, &pem.Block{Type: kind, Bytes: der})
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
