package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/cmd/millrace/internal/lines"
)

// helpTopics are commands without a function, which cobra lists as topics.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit code of a command says", Long: `Every command ends with one of these:

  0    done
  1    failed: the message says what, where and why
  2    usage: the command line cannot be meant
  3    not found: the stream, shard, record or file does not exist
  4    conflict: it exists already, or somebody else has it
  5    throttled or unavailable: the same command may succeed later
  130  interrupted by Ctrl-C, after what was under way had ended`},
		{Use: "environment", Short: "The variables that millrace reads", Long: `A flag wins over its variable, a variable over the default.

  MILLRACE_ADDR           --addr of the commands that talk to a server
  MILLRACE_TIMEOUT        --timeout of the same commands
  MILLRACE_DATA           --data of auth
  MILLRACE_ACCOUNT        --account of auth create-key
  MILLRACE_STORE          --store of backup and restore
  MILLRACE_S3_ENDPOINT    --s3-endpoint, the same for a store that is not AWS
  MILLRACE_S3_REGION      --s3-region; credentials are those of the AWS tools
  INITIALIZE_STREAMS      streams that dev creates: orders:4,clicks:1

The server, millrace serve, reads one variable for each of its flags:
  --native-address is MILLRACE_NATIVE_ADDRESS, and so on.

A progress bar is drawn only where standard error is a terminal; elsewhere a
line is written every ten seconds.`},
		{Use: "formats", Short: "How records and results are read and printed", Long: strings.TrimSpace(`
Results (--output): table for people, wide with more columns and exact numbers,
json, jsonl with one value a line, and yaml.

Records in, put: by default a line is the data of one record. With --format json
a line is an object with the members
  key       partition key
  data      text, or base64 with "encoding": "base64" or --base64
  hash      explicit hash key, decimal, optional
Other members are ignored, so that the output of tail --output json is an input.

Records out, get and tail: --format takes a template, with a line end added
unless it ends with one; --output json prints one object a line. A record from
inside an aggregated one has the member subsequence behind sequence.

` + lines.Directives + `

Sizes take B, KiB, MiB, GiB, TiB or kB, MB, GB, TB: 16MiB. Durations take ns, us,
ms, s, m, h and d: 250ms, 1h30m, 7d.`)},
	}
}
