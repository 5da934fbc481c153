package stack

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/backup-restore/backup-restore/infra/local/awsapi"
	"github.com/backup-restore/backup-restore/infra/local/issuer"
	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

// URL is the API's address, without a slash at its end.
func (s *Stack) URL() string { return s.url }

// Endpoint is the address of the AWS protocols.
func (s *Stack) Endpoint() string { return s.aws.URL() }

// IssuerURL is the address of the sign-in stand-in. The functions' processes are listed under /_local/instances there.
func (s *Stack) IssuerURL() string { return s.issuer.URL() }

// AWS is the server behind Endpoint, with its controls for faults.
func (s *Stack) AWS() *awsapi.Server { return s.aws }

// AWSConfig reaches Endpoint by the SDK.
func (s *Stack) AWSConfig() aws.Config { return s.config.Copy() }

// Model is the template as it is run.
func (s *Stack) Model() *template.Stack { return s.model }

// Host runs the functions.
func (s *Stack) Host() *lambdahost.Host { return s.host }

// FunctionName is the name of the function with a logical id, such as WorkerFunction; "" if there is none.
func (s *Stack) FunctionName(id string) string { return s.names[id] }

// Bucket is the name of the bucket with a logical id; "" if there is none.
func (s *Stack) Bucket(id string) string {
	for _, b := range s.model.Buckets {
		if b.ID == id {
			return b.Name
		}
	}
	return ""
}

// QueueURL is the URL of the queue with a logical id; "" if there is none.
func (s *Stack) QueueURL(id string) string { return s.made.attributes[id]["QueueUrl"] }

// SecretARN is the ARN of the secret with a logical id; "" if there is none.
func (s *Stack) SecretARN(id string) string { return s.made.attributes[id]["Id"] }

// Token signs an access token for a person in a role, as the sign-in page would.
func (s *Stack) Token(name, role string, lifetime time.Duration) (string, error) {
	return s.issuer.AccessToken(issuer.Person{Name: name, Role: role}, lifetime)
}

// Workers lists the running processes of the worker function.
func (s *Stack) Workers() []lambdahost.Instance { return s.host.Instances(s.names["WorkerFunction"]) }
