// A function that does what its event asks for.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string `json:"do"`
	Value string `json:"value"`
	Size  int    `json:"size"`
}

var count int

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	count++
	var e event
	if err := json.Unmarshal(raw, &e); err != nil || e.Do == "" {
		return raw, nil
	}
	switch e.Do {
	case "count":
		return map[string]int{"count": count, "pid": os.Getpid()}, nil
	case "context":
		deadline, _ := ctx.Deadline()
		lc, _ := lambdacontext.FromContext(ctx)
		return map[string]any{"left": time.Until(deadline).Seconds(), "requestId": lc.AwsRequestID, "arn": lc.InvokedFunctionArn}, nil
	case "environment":
		return os.Environ(), nil
	case "fail":
		return nil, errors.New(e.Value)
	case "panic":
		panic(e.Value)
	case "exit":
		os.Exit(e.Size)
	case "big":
		return strings.Repeat("x", e.Size), nil
	case "hang":
		time.Sleep(time.Hour)
	case "wait": // until a file is there
		for {
			if _, err := os.Stat(e.Value); err == nil {
				return os.Getpid(), nil
			}
			time.Sleep(5 * time.Millisecond)
		}
	case "print":
		fmt.Println(e.Value)
		fmt.Fprint(os.Stderr, "without an end")
	case "orphan": // a child in a process group of its own, which holds our output open
		cmd := exec.Command("sleep", "3600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return cmd.Process.Pid, nil
	case "append": // one line for each try
		f, err := os.OpenFile(e.Value, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		fmt.Fprintln(f, "tried")
		return nil, errors.New("tried")
	}
	return nil, nil
}

func main() {
	switch os.Getenv("START") {
	case "crash":
		fmt.Println("configuration is wrong")
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	}
	lambda.Start(handle)
}
