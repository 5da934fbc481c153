package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// Secrets is one secret of Secrets Manager, with its versions and the two stages that it moves by itself.
type Secrets struct {
	id string

	mu       sync.Mutex
	versions map[string]string
	current  string
}

// NewSecrets returns a secret of that name, without a value.
func NewSecrets(id string) *Secrets { return &Secrets{id: id, versions: map[string]string{}} }

func (s *Secrets) missing() error {
	return &types.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret.")}
}

// GetSecretValue returns the current version.
func (s *Secrets) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *in.SecretId != s.id || s.current == "" {
		return nil, s.missing()
	}
	return &secretsmanager.GetSecretValueOutput{VersionId: aws.String(s.current), SecretString: aws.String(s.versions[s.current])}, nil
}

// PutSecretValue adds a version and makes it current. A token that was used for another value is refused.
func (s *Secrets) PutSecretValue(_ context.Context, in *secretsmanager.PutSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *in.SecretId != s.id {
		return nil, s.missing()
	}
	token := aws.ToString(in.ClientRequestToken)
	if token == "" {
		token = fmt.Sprintf("version-%026d", len(s.versions)) // the SDK would make one up
	}
	if n := len(token); n < 32 || n > 64 {
		return nil, &types.InvalidParameterException{Message: aws.String("ClientRequestToken: 32 to 64 characters")}
	}
	if old, used := s.versions[token]; used {
		if old != *in.SecretString {
			return nil, &types.ResourceExistsException{Message: aws.String("A resource with the ID you requested already exists.")}
		}
		return &secretsmanager.PutSecretValueOutput{VersionId: &token}, nil
	}
	s.versions[token], s.current = *in.SecretString, token
	return &secretsmanager.PutSecretValueOutput{VersionId: &token, VersionStages: []string{"AWSCURRENT"}}, nil
}

// UpdateSecretVersionStage moves AWSCURRENT to another version.
func (s *Secrets) UpdateSecretVersionStage(_ context.Context, in *secretsmanager.UpdateSecretVersionStageInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.versions[*in.MoveToVersionId]; !ok || *in.SecretId != s.id || *in.VersionStage != "AWSCURRENT" || *in.RemoveFromVersionId != s.current {
		return nil, s.missing()
	}
	s.current = *in.MoveToVersionId
	return &secretsmanager.UpdateSecretVersionStageOutput{}, nil
}

// Contents are the values of all versions, for tests that look for what must not be there.
func (s *Secrets) Contents() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]string, 0, len(s.versions))
	for _, v := range s.versions {
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}
