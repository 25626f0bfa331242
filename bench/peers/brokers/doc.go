// Command brokers is the worker with the message brokers: NATS JetStream, Redis
// streams, Apache Kafka and RabbitMQ streams, each a server in a process of its
// own on a loopback interface, and its Go client on this side.
//
// NATS is linked in and started as another process of the same program; the
// others are installed by bench/peers/install.sh.
//
// Files:
//
//	main.go             the list of targets
//	libraries.go        where an unpacked package has its shared libraries
//	started.go          what all servers have in common
//	acknowledged.go     waiting for acknowledgements, ending deliveries
//	nats.go             JetStream by PublishAsync
//	nats_fast.go        JetStream by its fast batches
//	nats_reader.go      ordered push consumers
//	nats_server.go      the server's process
//	redis.go            XADD, XREAD, XRANGE
//	kafka.go            produce, fetch
//	kafka_server.go     the server's process
//	kafka_warm.go       making Java compile before anything is measured
//	rabbitmq.go         publish, confirm, subscribe
//	rabbitmq_server.go  the server's process
package main
