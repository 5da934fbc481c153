// A function behind a gateway: it answers with the event that it got, or with what the request asks for.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(_ context.Context, raw json.RawMessage) (any, error) {
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		switch e.Headers["x-do"] {
		case "answer": // with the body as it stands
			if e.IsBase64Encoded {
				return json.RawMessage(decode(e.Body)), nil
			}
			return json.RawMessage(e.Body), nil
		case "fail":
			return nil, errors.New("a cause that nobody outside may see")
		case "exit":
			os.Exit(1)
		case "hang":
			time.Sleep(time.Hour)
		}
		return raw, nil
	})
}

func decode(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
