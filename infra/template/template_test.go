package template_test

import (
	"strings"
	"testing"
)

var checks = []struct {
	name  string
	check func(document) []string
}{
	{"routes", checkRoutes},
	{"functions", checkFunctions},
	{"times", checkTimes},
	{"queue", checkQueue},
	{"grants", checkGrants},
	{"deleters", checkDeleters},
	{"statements", checkStatements},
	{"roles", checkRoles},
	{"lists", checkLists},
	{"environment", checkEnvironment},
	{"bucket", checkBucket},
	{"secret", checkSecret},
	{"schedules", checkSchedules},
	{"cycles", checkCycles},
}

func mustParse(t *testing.T, text string) document {
	t.Helper()
	d, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTemplate_IsInOrder(t *testing.T) {
	t.Parallel()
	d := mustParse(t, read(t))
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, wrong := range c.check(d) {
				t.Error(wrong)
			}
		})
	}
}

// breaks are changes of the template and the check that has to see each. old must be there exactly as often as it is
// replaced: count times, once where count is 0.
var breaks = []struct {
	check, old, new string
	count           int
}{
	{check: "routes", old: "Path: '/api/{proxy+}', Method: ANY }", new: "Path: '/api/{proxy+}', Method: ANY, Auth: { Authorizer: NONE } }"},
	{check: "routes", old: "Path: '/api/{proxy+}', Method: ANY }", new: "Path: '/api/{proxy+}', Method: ANY, Auth: { Authorizer: Other } }"},
	{check: "routes", old: "Path: '/api/{proxy+}', Method: ANY }", new: "Path: '/apis/{proxy+}', Method: ANY }"},
	{check: "routes", old: "ApiId: !Ref Api, Path: '/api/{proxy+}'", new: "Path: '/api/{proxy+}'"},
	{check: "routes", old: "Path: /docs, Method: GET", new: "Path: /docs, Method: ANY"},
	{check: "routes", old: "Path: /health, Method: GET", new: "Path: '/{proxy+}', Method: GET"},
	{check: "routes", old: "        DefaultAuthorizer: Operators\n"},
	{check: "routes", old: "              audience:\n                - !If [OwnUserPool, !Ref UserPoolClient, !Ref ClientId]\n"},
	{check: "routes", old: "        POST /cron/backups:\n", new: "        GET /health:\n"},
	{check: "routes", old: "      CodeUri: functions/api\n", new: "      CodeUri: functions/api\n      FunctionUrlConfig: { AuthType: NONE }\n"},
	{check: "functions", old: "CodeUri: functions/janitor", new: "CodeUri: functions/schedule"},
	{check: "functions", old: "CodeUri: functions/janitor", new: "CodeUri: ."},
	{check: "functions", old: "PACKAGE: ./functions/worker", new: "PACKAGE: ./functions/api"},
	{check: "functions", old: "Dockerfile: infra/worker/Dockerfile", new: "Dockerfile: Dockerfile"},
	{check: "functions", old: "Architectures: [arm64]", new: "Architectures: [x86_64]"},
	{check: "functions", old: "      Timeout: 900\n"},
	{check: "functions", old: "      RetentionInDays: !Ref LogRetentionDays\n", count: 5},
	{check: "times", old: "VisibilityTimeout: 5400", new: "VisibilityTimeout: 5399"},
	{check: "times", old: "Timeout: 29 ", new: "Timeout: 30 "},
	{check: "times", old: "      Timeout: 60\n", new: "      Timeout: 61\n", count: 2},
	{check: "queue", old: "            BatchSize: 1 ", new: "            BatchSize: 2 "},
	{check: "queue", old: "            FunctionResponseTypes: [ReportBatchItemFailures]\n"},
	{check: "queue", old: "            ScalingConfig:\n              MaximumConcurrency: 5", new: "           "},
	{check: "queue", old: "deadLetterTargetArn: !GetAtt JobsDeadLetters.Arn", new: "deadLetterTargetArn: !GetAtt Jobs.Arn"},
	{check: "queue", old: "MessageRetentionPeriod: 1209600", new: "MessageRetentionPeriod: 3600"},
	{check: "queue", old: "      SqsManagedSseEnabled: true\n", count: 2},
	{check: "grants", old: "Action: s3:DeleteObjectVersion", new: "Action: [s3:DeleteObjectVersion, s3:DeleteObject]"},
	{check: "grants", old: "[s3:PutObject, s3:AbortMultipartUpload]", new: "[s3:PutObject, s3:DeleteObjectVersion]"},
	{check: "grants", old: "[s3:GetObject, s3:GetObjectVersion]\n                Resource: !Sub ${Bucket.Arn}/backups/*", new: "s3:GetObjectVersion\n                Resource: !Sub ${Bucket.Arn}/backups/*"},
	{check: "grants", old: "[s3:PutObject, s3:ListMultipartUploadParts]", new: "[s3:PutObject, s3:ListMultipartUploadParts, s3:DeleteObject]"},
	{check: "grants", old: "[s3:PutObject, s3:ListMultipartUploadParts]", new: "s3:ListMultipartUploadParts"},
	{check: "grants", old: "[s3:PutObject, s3:ListMultipartUploadParts]", new: "s3:PutObject"},
	{check: "grants", old: "Sid: ReadUploads\n                Effect: Allow\n                Action: [s3:GetObject, s3:GetObjectVersion]", new: "Sid: ReadUploads\n                Effect: Allow\n                Action: [s3:GetObject, s3:GetObjectVersion, s3:PutObject]"},
	{check: "grants", old: "Sid: ReadUploads\n                Effect: Allow\n                Action: [s3:GetObject, s3:GetObjectVersion]", new: "Sid: ReadUploads\n                Effect: Allow\n                Action: s3:GetObject"},
	{check: "grants", old: "                Action: s3:GetObject\n                Resource: !Sub ${Bucket.Arn}/uploads/*", new: "                Action: s3:GetObjectVersion\n                Resource: !Sub ${Bucket.Arn}/uploads/*"},
	{check: "grants", old: "                  - !Sub ${Bucket.Arn}/cron-key/*\n", count: 2},
	{check: "grants", old: "[secretsmanager:GetSecretValue, secretsmanager:PutSecretValue]\n                Resource: !Ref CronKeySecret", new: "secretsmanager:GetSecretValue\n                Resource: !Sub arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*"},
	{check: "deleters", old: "[s3:PutObject, s3:AbortMultipartUpload]", new: "[s3:PutObject, s3:DeleteObject]"},
	{check: "deleters", old: "[s3:PutObject, s3:AbortMultipartUpload]", new: "s3:*"},
	{check: "deleters", old: "Action: s3:ListBucketMultipartUploads", new: "Action: s3:PutLifecycleConfiguration"},
	{check: "statements", old: "Action: s3:ListBucketMultipartUploads", new: "Action: s3:List*"},
	{check: "statements", old: "Resource: !GetAtt Jobs.Arn\n\n  # ---", new: "Resource: '*'\n\n  # ---", count: 2},
	{check: "statements", old: "Condition: { StringLikeIfExists: { 's3:prefix': [open/*, held/*] } }", new: "", count: 2},
	{check: "statements", old: "'s3:prefix': [open/*, held/*]", new: "'s3:prefix': ['*']", count: 2},
	{check: "lists", old: "'s3:prefix': [records/*, open/*, activity/*, held/*]", new: "'s3:prefix': [records/*, activity/*, held/*]"},
	{check: "lists", old: "StringLikeIfExists: { 's3:prefix': [records/backups/*] }", new: "StringLike: { 's3:prefix': [records/backups/*] }"},
	{check: "statements", old: "- !Sub ${Bucket.Arn}/idempotency/*", new: "- !Sub ${Bucket.Arn}/*", count: 2},
	{check: "statements", old: "secretsmanager:ResourceTag/backup-restore:database': 'false'", new: "secretsmanager:ResourceTag/backup-restore:database': 'true'"},
	{check: "roles", old: "      Role: !GetAtt JanitorRole.Arn\n"},
	{check: "roles", old: "Role: !GetAtt JanitorRole.Arn", new: "Role: !GetAtt ScheduleRole.Arn"},
	{check: "roles", old: "      Description: Starts backup jobs.\n", new: "      ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole']\n"},
	{check: "roles", old: "Principal: { Service: lambda.amazonaws.com }", new: "Principal: { AWS: '*' }", count: 4},
	{check: "roles", old: "LogGroup: !Ref ScheduleLogs", new: "LogGroup: !Ref JanitorLogs"},
	{check: "environment", old: "        LOG_LEVEL: info\n"},
	{check: "environment", old: "          LOCK_BEAT: 10s\n"},
	{check: "environment", old: "          LOCK_BEAT: 10s\n", new: "          LOCK_BEET: 15s\n"},
	{check: "environment", old: "          SCHEDULED_DATABASES: !Ref ScheduledDatabases\n", new: "          SCHEDULED_DATABASES: !Ref ScheduledDatabases\n          LOCK_BEAT: 10s\n"},
	{check: "environment", old: "          LOCK_EXPIRY: 45s\n          LOCK_BEAT", new: "          LOCK_EXPIRY: 60s\n          LOCK_BEAT"},
	{check: "bucket", old: "    DeletionPolicy: Retain\n", new: "", count: 2},
	{check: "bucket", old: "VersioningConfiguration: { Status: Enabled }", new: "VersioningConfiguration: { Status: Suspended }"},
	{check: "bucket", old: "BlockPublicPolicy: true", new: "BlockPublicPolicy: false"},
	{check: "bucket", old: "BucketOwnerEnforced", new: "ObjectWriter"},
	{check: "bucket", old: "'aws:SecureTransport': 'false'", new: "'aws:SecureTransport': 'true'"},
	{check: "bucket", old: "            ExpirationInDays: 2\n", new: "            ExpirationInDays: 20\n"},
	{check: "bucket", old: "            Prefix: uploads/\n", new: "            Prefix: backups/\n"},
	{check: "bucket", old: "            ExpirationInDays: 7\n"},
	{check: "bucket", old: "            ExpirationInDays: 7\n            NoncurrentVersionExpiration: { NoncurrentDays: 7 }\n", new: "            ExpirationInDays: 7\n            NoncurrentVersionExpiration: { NoncurrentDays: 6 }\n"},
	{check: "bucket", old: "'s3:signatureAge': 3600000", new: "'s3:signatureAge': 604800000"},
	{check: "bucket", old: "              - !Sub ${Bucket.Arn}/backups/*\n              - !Sub ${Bucket.Arn}/uploads/*\n", new: "              - !Sub ${Bucket.Arn}/backups/*\n"},
	{check: "bucket", old: "Sid: TlsOnly\n            Effect: Deny", new: "Sid: TlsOnly\n            Effect: Allow"},
	{check: "bucket", old: "            Prefix: open/\n", new: "            Prefix: backups/\n            ExpirationInDays: 2\n"},
	{check: "bucket", old: "            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }\n"},
	{check: "bucket", old: "            NoncurrentVersionExpiration: { NoncurrentDays: 30 }\n"},
	{check: "secret", old: "    Type: AWS::SecretsManager::Secret\n    Properties:\n", new: "    Type: AWS::SecretsManager::Secret\n    Properties:\n      GenerateSecretString: {}\n"},
	{check: "secret", old: "          SCHEDULED_DATABASES: !Ref ScheduledDatabases\n", new: "          CRON_KEY_SECRET: !Ref CronKeySecret\n"},
	{check: "schedules", old: "            OmitName: true\n"},
	{check: "schedules", old: "State: !If [Scheduled, ENABLED, DISABLED]", new: "State: ENABLED"},
	{check: "schedules", old: "<aws.scheduler.scheduled-time>", new: "<aws.scheduler.execution-id>"},
	{check: "cycles", old: "          ROLE_CLAIM: !Ref RoleClaim\n", new: "          ROLE_CLAIM: !Ref RoleClaim\n          API: !Ref Api\n"},
	{check: "cycles", old: "CallbackURLs: [!Ref ConsoleCallbackUrl]", new: "CallbackURLs: [!Sub 'https://${Api}.example.com/']"},
}

func TestChecks_SeeEachBreak(t *testing.T) {
	t.Parallel()
	whole := read(t)
	for _, b := range breaks {
		t.Run(b.check+"/"+strings.TrimSpace(b.new+" for "+b.old), func(t *testing.T) {
			t.Parallel()
			if n := strings.Count(whole, b.old); n != max(b.count, 1) {
				t.Fatalf("the template has this text %d times, so this test breaks something else than it means to", n)
			}
			broken := mustParse(t, strings.ReplaceAll(whole, b.old, b.new))
			for _, c := range checks {
				if c.name == b.check && len(c.check(broken)) == 0 {
					t.Errorf("the check of the %s sees nothing", c.name)
				}
			}
		})
	}
}
