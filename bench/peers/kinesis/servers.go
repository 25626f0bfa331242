package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/millrace-io/millrace/bench/target/process"
)

const (
	// heapMiB is how much memory Node.js may use: by default it ends the server
	// at about 4 GiB, which records in memory reach.
	heapMiB = 12 << 10
	// createMillis is how long a stream stays in creation.
	createMillis = 1
	// shardsFree is how many more shards a server may have than are asked for.
	shardsFree = 10
)

// node returns the path of Node.js and the arguments that come first.
func node() (string, []string, error) {
	path, err := exec.LookPath("node")
	if err != nil {
		return "", nil, fmt.Errorf("kinesis: Node.js, with which the server was installed, is gone: %w", err)
	}
	return path, []string{"--max-old-space-size=" + strconv.Itoa(heapMiB)}, nil
}

// kinesaliteScript starts kinesalite as its documentation says for programs:
// its command line has no option for the address.
const kinesaliteScript = `
const [program, path, port, shardLimit, createStreamMs] = process.argv.slice(1)
require(program)({path, shardLimit: Number(shardLimit), createStreamMs: Number(createStreamMs)})
	.listen(Number(port), '127.0.0.1')
`

// kinesalite is the Node.js emulator over LevelDB.
func kinesalite() emulator {
	return emulator{
		name: "kinesalite", persistent: true,
		notes: "LevelDB, unsynced: a record is with the kernel when it is acknowledged; one Node.js process; " +
			"no limits of throughput; nothing is checked on read; shard limit raised",
		command: func(folder, directory string, port, shards int) (process.Command, error) {
			path, args, err := node()
			args = append(args, "--eval", kinesaliteScript, "--",
				filepath.Join(folder, "node_modules", "kinesalite"), filepath.Join(directory, "leveldb"),
				strconv.Itoa(port), strconv.Itoa(shards+shardsFree), strconv.Itoa(createMillis))
			return process.Command{Path: path, Args: args, Dir: directory}, err
		},
	}
}

// kinesisMock is the emulator in Scala, compiled to JavaScript.
func kinesisMock() emulator {
	return emulator{
		name: "kinesis-mock",
		notes: "records in the server's memory only; kinesis-local of npm, one Node.js process, its logs off, plain HTTP; " +
			"nothing is checked on read; shard limit raised",
		command: func(folder, directory string, port, shards int) (process.Command, error) {
			path, args, err := node()
			if err != nil {
				return process.Command{}, err
			}
			// It insists on a second listener, with TLS.
			secure, err := process.FreePort()
			program := filepath.Join(folder, "node_modules", "kinesis-local")
			return process.Command{
				Path: path, Args: append(args, filepath.Join(program, "main.js")), Dir: directory,
				Env: []string{
					"KINESIS_MOCK_PLAIN_PORT=" + strconv.Itoa(port),
					"KINESIS_MOCK_TLS_PORT=" + strconv.Itoa(secure),
					"KINESIS_MOCK_CERT_PATH=" + filepath.Join(program, "server.json"),
					"CREATE_STREAM_DURATION=" + strconv.Itoa(createMillis) + "ms",
					"SHARD_LIMIT=" + strconv.Itoa(shards+shardsFree),
					"SHOULD_PERSIST_DATA=false", "LOG_LEVEL=ERROR", "ROOT_LOG_LEVEL=ERROR",
				},
			}, err
		},
	}
}

// ferrokinesis is the emulator in Rust.
func ferrokinesis() emulator {
	return emulator{
		name: "ferrokinesis",
		notes: "records in the server's memory only, its default and fastest setting; limits of throughput, logs and retention off; " +
			"nothing is checked on read; shard limit raised",
		command: func(folder, directory string, port, shards int) (process.Command, error) {
			return process.Command{
				Path: filepath.Join(folder, "bin", "ferrokinesis"), Dir: directory,
				Args: []string{
					"--port", strconv.Itoa(port), "--shard-limit", strconv.Itoa(shards + shardsFree),
					"--create-stream-ms", strconv.Itoa(createMillis), "--enforce-limits", "false",
					"--retention-check-interval-secs", "0", "--log-level", "error",
				},
			}, nil
		},
	}
}
