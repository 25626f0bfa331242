module github.com/millrace-io/millrace/tools/powercut

go 1.26.0

require github.com/millrace-io/millrace v0.0.0

require (
	github.com/google/flatbuffers v25.12.19+incompatible // indirect
	github.com/hanwen/go-fuse/v2 v2.12.1
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/millrace-io/millrace => ../..
