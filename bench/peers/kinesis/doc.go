// Command kinesis is the worker with the emulators of Kinesis Data Streams:
// kinesalite, kinesis-mock and ferrokinesis, each a server in a process of its
// own that bench/peers/install.sh has installed. All are measured by the same
// client, package session.
//
// None of them promises anything about a crash of the machine: their
// durability is none. Only kinesalite listens on the loopback interface alone;
// the other two have no setting for it and listen on all.
//
// Files:
//
//	main.go       the list of targets
//	emulator.go   an emulator as a target, and its session
//	servers.go    how each is started
//	packages/     what install.sh asks the npm registry for
package main
