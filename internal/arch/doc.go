// Package arch holds no code, only tests: the rules of the repository that a
// compiler does not know.
//
//   - layers_test.go: which package may import which, and why
//   - pkgdoc_test.go: one comment per package, one per exported name
//   - size_test.go: how long files and functions may get
//   - deps_test.go: which packages of others we depend on
//   - tidy_test.go: what must not be in the tree
//   - links_test.go: links between documents lead somewhere
//
// Every failure says what to do about it. The tests read all Go files whatever
// their build tags, so a rule holds for the systems nobody is working on too.
package arch
