package clients

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// compile compiles a folder of Java programs against the jars of a client, and returns the class
// path to run them with.
func compile(t *testing.T, installed, folder string) string {
	t.Helper()
	var sources []string
	for _, from := range []string{"report", folder} {
		found, err := filepath.Glob(filepath.Join("java", from, "*.java"))
		if err != nil || len(found) == 0 {
			t.Fatalf("java/%s has no programs: %v", from, err)
		}
		sources = append(sources, found...)
	}
	classes, jars := t.TempDir(), filepath.Join(installed, "lib", "*")
	arguments := append([]string{"-encoding", "UTF-8", "-proc:none", "-nowarn", "-d", classes, "-cp", jars}, sources...)
	if output, err := exec.Command("javac", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, output)
	}
	return classes + string(filepath.ListSeparator) + jars
}

const storePassword = "changeit"

// trustStore returns a store of the server's certificate, as virtual machines want it.
func trustStore(t *testing.T, m *millrace) string {
	t.Helper()
	store := filepath.Join(t.TempDir(), "trust.p12")
	keytool := exec.Command("keytool", "-importcert", "-noprompt", "-alias", "millrace", "-file", m.certificate,
		"-storetype", "PKCS12", "-keystore", store, "-storepass", storePassword)
	if output, err := keytool.CombinedOutput(); err != nil {
		t.Fatalf("keytool: %v\n%s", err, output)
	}
	return store
}

// java returns a program: a class, with flags of the virtual machine before its name.
func java(client, classPath, store, class string, tls bool, flags ...string) program {
	return program{client: client, tls: tls, command: func(string) []string {
		words := []string{
			"java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8",
			"-Djavax.net.ssl.trustStore=" + store, "-Djavax.net.ssl.trustStorePassword=" + storePassword,
		}
		return append(append(words, flags...), "-cp", classPath, class)
	}}
}

func TestJavaSDK(t *testing.T) {
	installed := folder(t, "java-sdk")
	classes := compile(t, installed, "sdk")
	m := start(t)
	store := trustStore(t, m)
	const noCBOR = "-Daws.cborEnabled=false"
	check(t, "java", m.run(t,
		java("java-sdk", classes, store, "Sdk", false),
		java("java-sdk", classes, store, "Sdk", true),
		java("java-sdk", classes, store, "Sdk", true, noCBOR)))
}
