package main

import (
	"github.com/millrace-io/millrace/bench/target"
	"github.com/millrace-io/millrace/bench/worker"
)

// targets are all brokers.
func targets() []target.Target {
	return []target.Target{
		natsTarget{name: "nats-async"},
		natsTarget{name: "nats-fast", fast: true},
		redisTarget{},
		kafkaTarget{},
		rabbitTarget{},
	}
}

func main() {
	serveNATSIfAsked()
	worker.Main(targets())
}
