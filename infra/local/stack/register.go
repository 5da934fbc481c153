package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// The tags by which the product finds databases.
const (
	databaseTag = "backup-restore:database"
	engineTag   = "backup-restore:engine"
)

// register makes a secret for each database of the options, as an operator would by hand. One that is there takes the new
// value, since a cluster that was made anew has new passwords.
func (s *Stack) register(ctx context.Context) error {
	for _, d := range s.options.Databases {
		if err := s.Register(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// Register registers a database with this stack, which may be running.
func (s *Stack) Register(ctx context.Context, d Database) error { return Register(ctx, s.config, d) }

// Register registers a database with the stack that cfg reaches.
func Register(ctx context.Context, cfg aws.Config, d Database) error {
	client := secretsmanager.NewFromConfig(cfg)
	if d.Engine == "" {
		d.Engine = "postgres"
	}
	name := secretName(d.Name)
	tags := []types.Tag{{Key: aws.String(databaseTag), Value: &d.Name}, {Key: aws.String(engineTag), Value: &d.Engine}}
	held, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		_, err = client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &d.Secret, Tags: tags})
	case err == nil:
		if aws.ToString(held.SecretString) != d.Secret {
			_, err = client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &d.Secret})
		}
		if err == nil {
			_, err = client.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: &name, Tags: tags})
		}
	}
	if err != nil {
		return fmt.Errorf("register database %s: %w", d.Name, err)
	}
	return nil
}

func secretName(database string) string { return "backup-restore/database/" + database }

// Secret reads the secret of a database that was registered here.
func Secret(ctx context.Context, cfg aws.Config, database string) (string, error) {
	held, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(secretName(database))})
	if err != nil {
		return "", fmt.Errorf("read the secret of database %s: %w", database, err)
	}
	return aws.ToString(held.SecretString), nil
}
