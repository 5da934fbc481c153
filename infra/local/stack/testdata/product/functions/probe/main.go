// A function that leaves traces in the bucket, and answers HTTP requests with what it was given.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func main() {
	lambda.Start(func(ctx context.Context, raw json.RawMessage) (any, error) {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, err
		}
		client := s3.NewFromConfig(cfg)
		trace := func(key string) error {
			bucket := os.Getenv("BUCKET")
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")})
			return err
		}
		var batch events.SQSEvent
		if json.Unmarshal(raw, &batch) == nil && len(batch.Records) > 0 {
			var answer events.SQSEventResponse
			for _, m := range batch.Records {
				if strings.HasPrefix(m.Body, "bad") {
					answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
				}
				if err := trace("messages/" + m.Body + "-" + m.Attributes["ApproximateReceiveCount"]); err != nil {
					return nil, err
				}
			}
			return answer, nil
		}
		var timed struct{ ScheduledTime string }
		if json.Unmarshal(raw, &timed) == nil && timed.ScheduledTime != "" {
			return nil, trace("schedule/" + timed.ScheduledTime)
		}
		return map[string]any{"environment": os.Environ(), "event": raw}, nil
	})
}
