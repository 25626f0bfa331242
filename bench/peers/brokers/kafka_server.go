package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace-io/millrace/bench/target/process"
)

// kafkaIdentifier is the identifier of the one cluster and of its one
// directory: 16 bytes in base64, as Kafka wants them.
const kafkaIdentifier = "bWlsbHJhY2UtYmVuY2gtMA"

// kafkaRecordMax lets the harness send its largest record.
const kafkaRecordMax = 16 << 20

// kafkaFlags are those with which Kafka's own start script runs Java, and the
// size of the heap.
var kafkaFlags = []string{
	"-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
	"-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
}

// kafkaLogging sends warnings to standard output.
const kafkaLogging = `<Configuration status="ERROR"><Appenders><Console name="out"><PatternLayout pattern="%p %c{1} %m%n%throwable{short}"/></Console></Appenders>` +
	`<Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers></Configuration>`

// kafkaProperties returns the settings of a single node that is broker and
// controller.
func kafkaProperties(directory string, port, controller int, syncEach bool) string {
	lines := []string{
		"process.roles=broker,controller",
		"node.id=1",
		fmt.Sprintf("controller.quorum.voters=1@%s", loopback(controller)),
		fmt.Sprintf("listeners=PLAINTEXT://%s,CONTROLLER://%s", loopback(port), loopback(controller)),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://%s", loopback(port)),
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"controller.listener.names=CONTROLLER",
		"log.dirs=" + directory,
		fmt.Sprintf("message.max.bytes=%d", kafkaRecordMax),
		"offsets.topic.replication.factor=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"auto.create.topics.enable=false",
	}
	if syncEach {
		lines = append(lines, "log.flush.interval.messages=1")
	}
	return strings.Join(lines, "\n") + "\n"
}

// startKafka starts a server over directory.
func startKafka(ctx context.Context, folder, directory string, port, controller int, syncEach bool) (*process.Process, error) {
	data := filepath.Join(directory, "data")
	files := map[string]string{
		"server.properties": kafkaProperties(data, port, controller, syncEach),
		"log4j2.xml":        kafkaLogging,
		// What Kafka's storage tool would write when it formats a directory:
		// running it would mean to start Java twice.
		"data/meta.properties": fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=1\ndirectory.id=%[1]s\n", kafkaIdentifier),
	}
	err := os.MkdirAll(data, 0o755)
	for name, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(directory, name), []byte(content), 0o644))
	}
	if err != nil {
		return nil, fmt.Errorf("brokers: settings of kafka: %w", err)
	}
	arguments := append([]string{}, kafkaFlags...)
	arguments = append(arguments,
		"-Dlog4j2.configurationFile="+filepath.Join(directory, "log4j2.xml"),
		"-Djava.io.tmpdir="+directory,
		"-XX:-UsePerfData",
		"-cp", filepath.Join(folder, "libs", "*"),
		"kafka.Kafka", filepath.Join(directory, "server.properties"))
	return process.Start(ctx, process.Command{Path: "java", Args: arguments, Dir: directory})
}
