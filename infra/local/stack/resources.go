package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/backup-restore/backup-restore/infra/local/template"
)

// resources are the queues, buckets and secrets that exist, by logical id.
type resources struct {
	attributes map[string]map[string]string // as template.Options.Attributes
}

// Config configures the SDK for the AWS protocols of a stack on this machine.
func Config(ctx context.Context, endpoint string) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(Region), config.WithBaseEndpoint(endpoint),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, "")))
	if err != nil {
		return aws.Config{}, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	return cfg, nil
}

// makeResources brings what the template names into being, and up to date where it is there already.
func makeResources(ctx context.Context, cfg aws.Config, m *template.Stack) (resources, error) {
	r := resources{attributes: map[string]map[string]string{}}
	for _, b := range m.Buckets {
		if err := makeBucket(ctx, s3.NewFromConfig(cfg), b); err != nil {
			return r, fmt.Errorf("make bucket %s: %w", b.Name, err)
		}
	}
	queues := sqs.NewFromConfig(cfg)
	for _, pass := range []bool{false, true} { // dead-letter queues first
		for _, q := range m.Queues {
			if (q.DeadLetters != "") != pass {
				continue
			}
			url, err := makeQueue(ctx, queues, q)
			if err != nil {
				return r, fmt.Errorf("make queue %s: %w", q.Name, err)
			}
			r.attributes[q.ID] = map[string]string{"Ref": url, "QueueUrl": url, "Arn": fmt.Sprintf("arn:aws:sqs:%s:%s:%s", Region, AccountID, q.Name)}
		}
	}
	for _, s := range m.Secrets {
		arn, err := makeSecret(ctx, secretsmanager.NewFromConfig(cfg), s)
		if err != nil {
			return r, fmt.Errorf("make secret %s: %w", s.Name, err)
		}
		r.attributes[s.ID] = map[string]string{"Ref": arn, "Id": arn}
	}
	return r, nil
}

func makeBucket(ctx context.Context, client *s3.Client, b template.Bucket) error {
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b.Name,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: Region}})
	var mine *s3types.BucketAlreadyOwnedByYou
	var exists *s3types.BucketAlreadyExists
	if err != nil && !errors.As(err, &mine) && !errors.As(err, &exists) {
		return err
	}
	status := s3types.BucketVersioningStatusSuspended
	if b.Versioned {
		status = s3types.BucketVersioningStatusEnabled
	}
	if _, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &b.Name,
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: status}}); err != nil {
		return err
	}
	if len(b.CORS) == 0 {
		return nil
	}
	var rules []s3types.CORSRule
	for _, c := range b.CORS {
		rule := s3types.CORSRule{AllowedHeaders: c.AllowedHeaders, AllowedMethods: c.AllowedMethods, AllowedOrigins: c.AllowedOrigins,
			ExposeHeaders: c.ExposedHeaders}
		if c.MaxAge > 0 {
			rule.MaxAgeSeconds = aws.Int32(int32(c.MaxAge)) // seconds of a template
		}
		if c.ID != "" {
			rule.ID = aws.String(c.ID)
		}
		rules = append(rules, rule)
	}
	_, err = client.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: &b.Name, CORSConfiguration: &s3types.CORSConfiguration{CORSRules: rules}})
	return err
}

func makeQueue(ctx context.Context, client *sqs.Client, q template.Queue) (string, error) {
	found, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &q.Name})
	var missing *sqstypes.QueueDoesNotExist
	switch {
	case errors.As(err, &missing):
		made, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.Name, Attributes: q.Attributes})
		if err != nil {
			return "", err
		}
		return aws.ToString(made.QueueUrl), nil
	case err != nil:
		return "", err
	}
	if len(q.Attributes) > 0 {
		_, err = client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: found.QueueUrl, Attributes: q.Attributes})
	}
	return aws.ToString(found.QueueUrl), err
}

// makeSecret makes a secret that is not there. The value of one that is there is left alone, as a deployment would.
func makeSecret(ctx context.Context, client *secretsmanager.Client, s template.Secret) (string, error) {
	found, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.Name})
	if err == nil {
		return aws.ToString(found.ARN), nil
	}
	var missing *smtypes.ResourceNotFoundException
	if !errors.As(err, &missing) {
		return "", err
	}
	in := &secretsmanager.CreateSecretInput{Name: &s.Name, SecretString: s.Value}
	if s.Description != "" {
		in.Description = &s.Description
	}
	if s.Generate != nil {
		value, err := generate(s.Generate)
		if err != nil {
			return "", err
		}
		in.SecretString = &value
	}
	for k, v := range s.Tags {
		in.Tags = append(in.Tags, smtypes.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	made, err := client.CreateSecret(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(made.ARN), nil
}

// generate makes a value as GenerateSecretString asks for
// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html).
func generate(g *template.Generate) (string, error) {
	value, err := password(g)
	if err != nil || g.Template == "" {
		return value, err
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(g.Template), &fields); err != nil {
		return "", fmt.Errorf("SecretStringTemplate is not a JSON object: %w", err)
	}
	fields[g.Key] = value
	text, err := json.Marshal(fields)
	return string(text), err
}

func password(g *template.Generate) (string, error) {
	var kinds []string
	for _, k := range []struct {
		chars   string
		without bool
	}{
		{"abcdefghijklmnopqrstuvwxyz", g.NoLowercase}, {"ABCDEFGHIJKLMNOPQRSTUVWXYZ", g.NoUppercase}, {"0123456789", g.NoNumbers},
		{"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", g.NoPunctuation}, {" ", !g.Space},
	} {
		chars := strings.Map(func(c rune) rune {
			if strings.ContainsRune(g.Exclude, c) {
				return -1
			}
			return c
		}, k.chars)
		if !k.without && chars != "" {
			kinds = append(kinds, chars)
		}
	}
	if len(kinds) == 0 || (g.RequireEachType && g.Length < len(kinds)) {
		return "", errors.New("GenerateSecretString leaves no value possible")
	}
	all := strings.Join(kinds, "")
	out := make([]byte, g.Length)
	pick := func(chars string) byte { return chars[secure.IntN(len(chars))] }
	for i := range out {
		out[i] = pick(all)
		if g.RequireEachType && i < len(kinds) {
			out[i] = pick(kinds[i])
		}
	}
	secure.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return string(out), nil
}

// secure draws from the system's random numbers.
var secure = rand.New(systemSource{})
