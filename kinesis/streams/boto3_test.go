package streams_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// boto3Folder is where `make deps` puts boto3.
const boto3Folder = "../../.cache/clients/python"

// boto3 is a process that sends requests by boto3, one after the other.
type boto3 struct {
	mutex   sync.Mutex
	in      io.WriteCloser
	answers *bufio.Scanner
}

// startBoto3 starts it, or skips the test where there is no boto3.
func startBoto3(t *testing.T) *boto3 {
	t.Helper()
	folder, err := filepath.Abs(boto3Folder)
	if err != nil {
		t.Fatal(err)
	}
	python, err := exec.LookPath("python3")
	if _, missing := os.Stat(filepath.Join(folder, "boto3")); err != nil || missing != nil {
		t.Skipf("there is no python3, or no boto3 in %s: `make deps` fetches it", boto3Folder)
	}
	cmd := exec.CommandContext(context.Background(), python, "testdata/boto3_calls.py")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+folder)
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	})
	return &boto3{in: in, answers: bufio.NewScanner(out)}
}

// boto3Error is an error that boto3 shows.
type boto3Error struct {
	Code, Message string
	Status        int
}

func (e *boto3Error) Error() string        { return fmt.Sprintf("boto3: %s: %s", e.Code, e.Message) }
func (e *boto3Error) ErrorCode() string    { return e.Code }
func (e *boto3Error) ErrorMessage() string { return e.Message }
func (e *boto3Error) HTTPStatusCode() int  { return e.Status }

func (e *boto3Error) ErrorFault() smithy.ErrorFault { return smithy.FaultUnknown }

// send sends the input of an operation, as the SDK for Go has it.
func (b *boto3) send(endpoint, operation string, input any) error {
	request, err := json.Marshal(map[string]any{
		"endpoint": endpoint, "region": region, "operation": operation, "input": plainValue(reflect.ValueOf(input)),
	})
	if err != nil {
		return err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if _, err := b.in.Write(append(request, '\n')); err != nil {
		return err
	}
	if !b.answers.Scan() {
		return fmt.Errorf("boto3 has ended: %w", b.answers.Err())
	}
	var shown boto3Error
	if err := json.Unmarshal(b.answers.Bytes(), &shown); err != nil || shown.Code == "" {
		return err
	}
	return &shown
}

// plainValue returns a value of the SDK for Go as boto3 has it, or nil for what is not given.
func plainValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if v.Elem().Kind() == reflect.Struct {
			return plainValue(v.Elem())
		}
		return v.Elem().Interface()
	case reflect.Struct:
		members := make(map[string]any)
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				if value := plainValue(v.Field(i)); value != nil {
					members[field.Name] = value
				}
			}
		}
		return members
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		if data, ok := v.Interface().([]byte); ok {
			return map[string]any{"base64": data}
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plainValue(v.Index(i))
		}
		return list
	default:
		if v.IsZero() {
			return nil
		}
		return v.Interface()
	}
}

// inputOf returns the input with which the SDK for Go would send a request.
func (w *world) inputOf(ctx context.Context, operation string, g given) any {
	w.t.Helper()
	var input any
	caught := errors.New("caught")
	catch := middleware.InitializeMiddlewareFunc("catch", func(_ context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler) (out middleware.InitializeOutput, _ middleware.Metadata, _ error) {
		input = in.Parameters
		return out, middleware.Metadata{}, caught
	})
	options := awskinesis.Options{Region: region, Retryer: aws.NopRetryer{}, APIOptions: []func(*middleware.Stack) error{
		func(s *middleware.Stack) error { return s.Initialize.Add(catch, middleware.Before) },
	}}
	if err := requests[operation](ctx, awskinesis.New(options), g); !errors.Is(err, caught) {
		w.t.Fatalf("%s was not caught: %v", operation, err)
	}
	return input
}

// TestOperationsByBoto3 is TestOperations by another SDK.
func TestOperationsByBoto3(t *testing.T) {
	if testing.Short() {
		t.Skip("without -short it runs")
	}
	provokeAll(t, startBoto3(t).send)
}
