package main

import (
	"archive/zip"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace-io/millrace/kinesis/model"
)

func main() {
	wheel := flag.String("wheel", "", "read the models in this wheel of botocore")
	tables := flag.Bool("table", false, "read the tables that are there")
	top := flag.String("top", ".", "the top of the repository")
	flag.Parse()
	if err := run(*wheel, *tables, *top); err != nil {
		fmt.Fprintln(os.Stderr, "awsmodel:", err)
		os.Exit(1)
	}
}

func run(wheel string, tables bool, top string) error {
	if (wheel == "") != tables {
		return errors.New("give one of -wheel and -table")
	}
	for _, from := range sources {
		if wheel != "" {
			if err := writeTable(from, wheel, top); err != nil {
				return fmt.Errorf("%s: %w", from.model, err)
			}
		}
		if err := writeStructs(from, top); err != nil {
			return fmt.Errorf("%s: %w", from.table, err)
		}
	}
	return nil
}

func writeTable(from source, wheel, top string) error {
	text, err := modelIn(wheel, from.model)
	if err != nil {
		return err
	}
	service, err := read(text, from)
	if err != nil {
		return err
	}
	head := fmt.Sprintf("# Made by tools/awsmodel from %s of %s; do not edit.\n# The form is described in kinesis/model/doc.go.\n",
		from.model, strings.TrimSuffix(filepath.Base(wheel), "-py3-none-any.whl"))
	for _, exclusion := range from.leftOut {
		head += fmt.Sprintf("# Left out, as %s: %s.\n", exclusion.why, strings.Join(exclusion.operations, ", "))
	}
	return os.WriteFile(filepath.Join(top, from.folder, from.table), []byte(head+tableOf(service)), 0o644)
}

func writeStructs(from source, top string) error {
	table, err := os.ReadFile(filepath.Join(top, from.folder, from.table))
	if err != nil {
		return err
	}
	service, err := model.Parse(string(table))
	if err != nil {
		return err
	}
	structs, err := structsOf(service, from)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(top, from.folder, structsFile), structs, 0o644)
}

// modelBytesMax is more than any model has.
const modelBytesMax = 64 << 20

// modelIn returns a model out of the wheel, which is a zip archive.
func modelIn(wheel, name string) ([]byte, error) {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	file, err := archive.Open("botocore/data/" + name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(text, modelBytesMax))
}
