package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace-io/millrace/bench/target/process"
)

// rabbitEmulator is what RabbitMQ's start script tells Erlang about memory and
// schedulers.
const rabbitEmulator = "+W w +MBas ageffcbf +MHas ageffcbf +MBlmbcs 512 +MHlmbcs 512 +MMmcs 30 " +
	"+P 1048576 +t 5000000 +stbt db +zdbbl 128000 +sbwt none +sbwtdcpu none +sbwtdio none"

// startRabbit starts a server over directory. It starts the emulator itself:
// the scripts of the package expect it in the system's folders, and would leave
// a daemon behind that tells nodes of a cluster each other's ports.
func startRabbit(ctx context.Context, folder, directory string, port, distribution int) (*process.Process, error) {
	erlang := filepath.Join(folder, "root", "usr", "lib", "erlang")
	emulators, err := filepath.Glob(filepath.Join(erlang, "erts-*", "bin"))
	homes, err2 := filepath.Glob(filepath.Join(folder, "root", "usr", "lib", "rabbitmq", "lib", "rabbitmq_server-*"))
	if err := errors.Join(err, err2); err != nil || len(emulators) == 0 || len(homes) == 0 {
		return nil, errors.Join(fmt.Errorf("brokers: %s has no RabbitMQ in it: remove it and run bench/peers/install.sh rabbitmq again", folder), err)
	}
	files := map[string]string{
		"enabled_plugins": "[rabbitmq_stream].\n",
		"rabbitmq.conf": strings.Join([]string{
			"listeners.tcp = none",
			"stream.listeners.tcp.1 = " + loopback(port),
			"stream.advertised_host = 127.0.0.1",
			"stream.advertised_port = " + strconv.Itoa(port),
			"log.console = true",
			"log.console.level = warning",
			"log.file = false",
		}, "\n") + "\n",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o644); err != nil {
			return nil, fmt.Errorf("brokers: settings of rabbitmq: %w", err)
		}
	}
	return process.Start(ctx, process.Command{
		Path: filepath.Join(emulators[0], "erlexec"),
		Args: rabbitArguments(distribution),
		Env:  rabbitEnvironment(erlang, emulators[0], homes[0], directory, distribution),
		Dir:  directory,
	})
}

// rabbitArguments are those of the emulator. It has a name, because RabbitMQ
// wants one, but does not ask for other nodes.
func rabbitArguments(distribution int) []string {
	port := strconv.Itoa(distribution)
	arguments := []string{"-noinput", "-s", "rabbit", "boot", "-boot", "start_sasl"}
	arguments = append(arguments, strings.Fields(rabbitEmulator)...)
	return append(arguments,
		"-sname", "rabbit@localhost", "-setcookie", "millrace", "-start_epmd", "false", "-erl_epmd_port", port,
		"-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-kernel", "inet_dist_listen_min", port, "-kernel", "inet_dist_listen_max", port,
		"-kernel", "prevent_overlapping_partitions", "false", "-syslog", "logger", "[]", "-syslog", "syslog_error_logger", "false")
}

// rabbitEnvironment keeps everything that RabbitMQ writes below directory.
func rabbitEnvironment(erlang, emulator, home, directory string, distribution int) []string {
	plugins := filepath.Join(home, "plugins")
	return []string{
		"ROOTDIR=" + erlang, "BINDIR=" + emulator, "EMU=beam", "PROGNAME=erl", "HOME=" + directory,
		"ERL_LIBS=" + plugins, "ERL_CRASH_DUMP=/dev/null", "ERL_MAX_PORTS=65536", "ERL_MAX_ETS_TABLES=50000",
		"RABBITMQ_HOME=" + home, "RABBITMQ_PLUGINS_DIR=" + plugins, "RABBITMQ_NODENAME=rabbit@localhost",
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(directory, "data"), "RABBITMQ_LOG_BASE=" + directory, "RABBITMQ_LOGS=-",
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(directory, "enabled_plugins"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(directory, "rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(directory, "advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(directory, "rabbitmq-env.conf"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(directory, "generated"),
		"RABBITMQ_PID_FILE=" + filepath.Join(directory, "rabbitmq.pid"),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(distribution), "SYS_PREFIX=",
	}
}
