package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// makeBuckets makes the buckets that are not there yet and versions them, over the protocol like any client.
func (s *Server) makeBuckets(ctx context.Context, o Options) error {
	client := sdk.New(sdk.Options{
		Region:       o.Region,
		BaseEndpoint: aws.String("http://127.0.0.1"),
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, ""),
		HTTPClient:   &http.Client{Transport: s.transport},
	})
	for _, name := range o.Buckets {
		in := &sdk.CreateBucketInput{Bucket: &name}
		if o.Region != "us-east-1" { // which S3 refuses as a constraint
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
				LocationConstraint: types.BucketLocationConstraint(o.Region)}
		}
		var mine *types.BucketAlreadyOwnedByYou
		if _, err := client.CreateBucket(ctx, in); err != nil && !errors.As(err, &mine) {
			return fmt.Errorf("make bucket %s: %w", name, err)
		}
		if _, err := client.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{Bucket: &name,
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		}); err != nil {
			return fmt.Errorf("version bucket %s: %w", name, err)
		}
	}
	return nil
}
