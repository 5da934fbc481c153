package template

import "strings"

// The reasons for which something has no effect on one machine.
const (
	noIAM     = "nothing checks permissions on one machine"
	noKMS     = "files under the state folder are not encrypted"
	noNet     = "everything is on this machine's loopback network"
	noMonitor = "nobody watches alarms and metrics on one machine"
	noLogs    = "logs go to the terminal"
	noTags    = "tags are for the account's bookkeeping"
	noSignIn  = "the local issuer stands in for the identity provider"
)

// ignoredTypes are resources that have no effect on one machine.
var ignoredTypes = map[string]string{
	"AWS::CloudWatch::Alarm":               noMonitor,
	"AWS::CloudWatch::CompositeAlarm":      noMonitor,
	"AWS::CloudWatch::Dashboard":           noMonitor,
	"AWS::Cognito::UserPool":               noSignIn,
	"AWS::Cognito::UserPoolClient":         noSignIn,
	"AWS::Cognito::UserPoolDomain":         noSignIn,
	"AWS::Cognito::UserPoolGroup":          noSignIn,
	"AWS::Cognito::UserPoolResourceServer": noSignIn,
	"AWS::Cognito::ManagedLoginBranding":   noSignIn,
	"AWS::EC2::SecurityGroup":              noNet,
	"AWS::EC2::SecurityGroupEgress":        noNet,
	"AWS::EC2::SecurityGroupIngress":       noNet,
	"AWS::EC2::VPCEndpoint":                noNet,
	"AWS::IAM::ManagedPolicy":              noIAM,
	"AWS::IAM::Policy":                     noIAM,
	"AWS::IAM::Role":                       noIAM,
	"AWS::IAM::RolePolicy":                 noIAM,
	"AWS::KMS::Alias":                      noKMS,
	"AWS::KMS::Key":                        noKMS,
	"AWS::Lambda::Permission":              noIAM,
	"AWS::Logs::LogGroup":                  noLogs,
	"AWS::Logs::MetricFilter":              noMonitor,
	"AWS::S3::BucketPolicy":                noIAM,
	"AWS::SNS::Subscription":               noMonitor,
	"AWS::SNS::Topic":                      noMonitor,
	"AWS::SNS::TopicPolicy":                noIAM,
	"AWS::SQS::QueuePolicy":                noIAM,
	"AWS::Scheduler::ScheduleGroup":        noTags,
	"AWS::SecretsManager::ResourcePolicy":  noIAM,
}

func ignoredType(typ string) (why string, ok bool) {
	why, ok = ignoredTypes[strings.TrimSpace(typ)]
	return why, ok
}
