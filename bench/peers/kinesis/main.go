package main

import (
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/worker"
)

func main() { worker.Main(targets()) }

// targets are all emulators.
func targets() []target.Target {
	return []target.Target{kinesalite(), kinesisMock(), ferrokinesis()}
}
