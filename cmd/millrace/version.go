package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/millrace-io/millrace/internal/render"
)

// version is set by the linker for releases.
var version = ""

// build is the result of the version command.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(a *app) *cobra.Command {
	var format render.Format
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print which millrace this is",
		Long:    "Print the version, the commit it was built from, and the Go release and platform it was built with.",
		Example: "  millrace version --output json",
		Args:    arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			return render.Print(a.Out, format, b, func(bool) render.Tables {
				return render.Tables{{Rows: [][]string{{"millrace " + b.Version, b.Commit, b.Go, b.Platform}}}}
			})
		},
	}
	addOutput(cmd, &format)
	return cmd
}

// thisBuild reads what the Go toolchain left in the binary.
func thisBuild() build {
	b := build{Version: version, Commit: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, found := debug.ReadBuildInfo()
	if !found {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "development"
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Commit = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

// addOutput adds the flag that chooses the format of a result.
func addOutput(cmd *cobra.Command, format *render.Format) {
	cmd.Flags().VarP(format, "output", "o", "table, wide, json, jsonl or yaml")
}
