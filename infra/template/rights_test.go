package template_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// statement is one of a role, with its resources as text: ${Bucket.Arn}/backups/*.
type statement struct {
	allow     bool
	actions   []string
	resources []string
	condition any
	sid       string
}

// statements returns a role's. Of a policy that stands under a condition, both ways count.
func statements(role resource) []statement {
	var out []statement
	for _, policy := range list(role.property("Policies")) {
		branches := []any{policy}
		if both := list(policy, "Fn::If"); len(both) == 3 {
			branches = both[1:]
		}
		for _, b := range branches {
			for _, s := range list(b, "PolicyDocument", "Statement") {
				st := statement{allow: text(s, "Effect") == "Allow", actions: texts(s, "Action"), condition: at(s, "Condition"), sid: role.name + "." + text(s, "Sid")}
				for _, r := range list(s, "Resource") {
					st.resources = append(st.resources, resourceText(r))
				}
				out = append(out, st)
			}
		}
	}
	return out
}

func resourceText(v any) string {
	switch {
	case text(v, "Fn::Sub") != "":
		return text(v, "Fn::Sub")
	case text(v, "Fn::GetAtt") != "":
		return "${" + text(v, "Fn::GetAtt") + "}"
	case text(v, "Ref") != "":
		return "${" + text(v, "Ref") + "}"
	}
	s, _ := v.(string)
	return s
}

// allows reports whether some statement of the role allows action on a resource, whatever its condition.
func allows(role resource, action, on string) bool {
	return slices.ContainsFunc(statements(role), func(s statement) bool {
		return s.allow && matchesAny(s.actions, action) && matchesAny(s.resources, on)
	})
}

func matchesAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		expr := strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*")
		return regexp.MustCompile("(?i)^" + expr + "$").MatchString(s)
	})
}

// Things that a role could reach for.
const (
	bucketARN   = "${Bucket.Arn}"
	backupFile  = bucketARN + "/backups/school/01kax/school.sql.gz"
	uploadFile  = bucketARN + "/uploads/school/01kax/file"
	backupRec   = bucketARN + "/records/backups/school/~01kax.json"
	restoreRec  = bucketARN + "/records/restores/school/~01kax.json"
	openMarker  = bucketARN + "/open/school/01kax"
	heldMark    = bucketARN + "/held/school/01kax.json"
	lock        = bucketARN + "/locks/school.json"
	activityRec = bucketARN + "/activity/~01kax.json"
	idempotency = bucketARN + "/idempotency/abc"
	keyUse      = bucketARN + "/cron-key/abc.json"
	elsewhere   = bucketARN + "/other"
	anySecret   = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:school"
	cronKey     = "${CronKeySecret}"
	queue       = "${Jobs.Arn}"
)

// grants says, for actions that matter, who may do them on what. Who is not named may not.
var grants = []struct {
	action, on string
	roles      []string
}{
	{"s3:DeleteObjectVersion", backupFile, []string{"ApiRole"}},
	{"s3:DeleteObject", backupFile, nil},
	{"s3:DeleteObject", backupRec, []string{"ApiRole"}},
	{"s3:DeleteObjectVersion", backupRec, nil},
	{"s3:DeleteObject", restoreRec, nil},
	{"s3:DeleteObject", lock, nil},
	{"s3:DeleteObject", activityRec, nil},
	{"s3:DeleteObjectVersion", activityRec, nil},
	{"s3:DeleteObject", idempotency, nil},
	{"s3:DeleteObject", elsewhere, nil},
	{"s3:DeleteObject", openMarker, []string{"ApiRole", "JanitorRole", "ScheduleRole", "WorkerRole"}},
	{"s3:DeleteObjectVersion", openMarker, nil},
	{"s3:PutObject", backupFile, []string{"WorkerRole"}},
	{"s3:AbortMultipartUpload", backupFile, []string{"WorkerRole"}},
	{"s3:PutObject", backupRec, []string{"ApiRole", "JanitorRole", "ScheduleRole", "WorkerRole"}},
	{"s3:PutObject", restoreRec, []string{"ApiRole", "JanitorRole", "WorkerRole"}},
	{"s3:PutObject", openMarker, []string{"ApiRole", "JanitorRole", "ScheduleRole"}},
	{"s3:PutObject", heldMark, []string{"WorkerRole"}},
	{"s3:GetObject", heldMark, []string{"WorkerRole"}},
	{"s3:DeleteObject", heldMark, []string{"WorkerRole"}},
	{"s3:DeleteObjectVersion", heldMark, nil},
	{"s3:PutObject", lock, []string{"WorkerRole"}},
	{"s3:PutObject", activityRec, []string{"ApiRole", "JanitorRole", "ScheduleRole", "WorkerRole"}},
	{"s3:PutObject", idempotency, []string{"ApiRole"}},
	{"s3:PutObject", keyUse, []string{"ApiRole"}},
	{"s3:GetObject", keyUse, []string{"ApiRole"}},
	{"s3:DeleteObject", keyUse, nil},
	{"s3:DeleteObjectVersion", keyUse, nil},
	{"s3:PutObject", elsewhere, nil},
	{"s3:PutObject", uploadFile, []string{"ApiRole"}}, // and whom it gives a link
	{"s3:ListMultipartUploadParts", uploadFile, []string{"ApiRole"}},
	{"s3:AbortMultipartUpload", uploadFile, nil},
	{"s3:GetObject", uploadFile, []string{"ApiRole", "WorkerRole"}},
	{"s3:GetObjectVersion", uploadFile, []string{"WorkerRole"}},
	{"s3:DeleteObject", uploadFile, nil},
	{"s3:DeleteObjectVersion", uploadFile, nil},
	{"s3:GetObject", backupFile, []string{"WorkerRole"}},
	{"s3:GetObjectVersion", backupFile, []string{"ApiRole", "WorkerRole"}},
	{"s3:GetObject", backupRec, []string{"ApiRole", "JanitorRole", "ScheduleRole", "WorkerRole"}},
	{"s3:GetObject", lock, []string{"ApiRole", "JanitorRole", "WorkerRole"}},
	{"s3:GetObject", openMarker, nil}, // what counts is that it is there
	{"s3:GetObject", elsewhere, nil},
	{"s3:ListBucket", bucketARN, []string{"ApiRole", "JanitorRole", "ScheduleRole", "WorkerRole"}},
	{"s3:ListBucketVersions", bucketARN, nil},
	{"s3:ListBucketMultipartUploads", bucketARN, []string{"WorkerRole"}},
	{"s3:PutLifecycleConfiguration", bucketARN, nil},
	{"s3:PutBucketVersioning", bucketARN, nil},
	{"s3:PutBucketPolicy", bucketARN, nil},
	{"s3:DeleteBucket", bucketARN, nil},
	{"s3:BypassGovernanceRetention", backupFile, nil},
	{"secretsmanager:GetSecretValue", anySecret, []string{"WorkerRole"}},
	{"secretsmanager:PutSecretValue", anySecret, nil},
	{"secretsmanager:DeleteSecret", anySecret, nil},
	{"secretsmanager:GetSecretValue", cronKey, []string{"ApiRole"}},
	{"secretsmanager:PutSecretValue", cronKey, []string{"ApiRole"}},
	{"secretsmanager:ListSecrets", "*", []string{"ApiRole", "ScheduleRole", "WorkerRole"}},
	{"sqs:SendMessage", queue, []string{"ApiRole", "JanitorRole", "ScheduleRole", "WorkerRole"}},
	{"sqs:ReceiveMessage", queue, []string{"WorkerRole"}},
	{"sqs:DeleteMessage", queue, []string{"WorkerRole"}},
	{"sqs:PurgeQueue", queue, nil},
	{"iam:PassRole", "*", nil},
	{"sts:AssumeRole", "*", nil},
}

func checkGrants(d document) (wrong []string) {
	for _, g := range grants {
		var may []string
		for _, role := range d.resources("AWS::IAM::Role") {
			if allows(role, g.action, g.on) {
				may = append(may, role.name)
			}
		}
		if !slices.Equal(may, g.roles) {
			wrong = append(wrong, fmt.Sprintf("%s on %s: %v may, %v should", g.action, g.on, may, g.roles))
		}
	}
	return wrong
}

// lists says which parts of the bucket each function lists. S3 refuses a list of any other prefix.
var lists = map[string][]string{
	"ApiRole":      {"records/*", "open/*", "activity/*", "held/*"}, // open/: a backup that is being restored is not deleted
	"WorkerRole":   {"open/*", "held/*"},
	"ScheduleRole": {"records/backups/*"}, // none: for the 404 of a missing record
	"JanitorRole":  {"open/*", "held/*"},
}

func checkLists(d document) (wrong []string) {
	for _, role := range d.resources("AWS::IAM::Role") {
		for _, s := range statements(role) {
			if !s.allow || !matchesAny(s.actions, "s3:ListBucket") {
				continue
			}
			if got := texts(s.condition, "StringLikeIfExists", "s3:prefix"); !slices.Equal(got, lists[role.name]) {
				wrong = append(wrong, fmt.Sprintf("%s lists %v, and the function needs %v", s.sid, got, lists[role.name]))
			}
		}
	}
	return wrong
}

// checkDeleters is the rule behind the table, for roles yet to come: who writes dump files deletes nothing but markers of jobs and of
// databases that are held.
func checkDeleters(d document) (wrong []string) {
	for _, role := range d.resources("AWS::IAM::Role") {
		if !allows(role, "s3:PutObject", backupFile) {
			continue
		}
		for _, s := range statements(role) {
			for _, action := range s.actions {
				if s.allow && mayDelete(action) && !slices.Equal(s.resources, []string{bucketARN + "/open/*"}) && !slices.Equal(s.resources, []string{bucketARN + "/held/*"}) {
					wrong = append(wrong, fmt.Sprintf("%s writes backups and may %s on %v", s.sid, action, s.resources))
				}
			}
		}
	}
	return wrong
}

// mayDelete reports whether an action can make an object go away, at once or later.
func mayDelete(action string) bool {
	action = strings.ToLower(action)
	if !strings.HasPrefix(action, "s3:") {
		return action == "*"
	}
	for _, part := range []string{"*", "delete", "lifecycle", "versioning", "bucketpolicy", "replication", "bypass", "putobjectretention"} {
		if strings.Contains(action, part) {
			return true
		}
	}
	return false
}

// Actions that IAM knows no narrower resource for.
var unbounded = []string{
	"secretsmanager:ListSecrets", "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
	"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}

var objectsOfOnePrefix = regexp.MustCompile(`^\$\{Bucket\.Arn\}/(backups|uploads|records|records/backups|records/restores|open|held|locks|activity|idempotency|cron-key)/\*$`)

// checkStatements holds each statement to one thing: named actions, on named resources, of one prefix each.
func checkStatements(d document) (wrong []string) {
	bad := func(s statement, format string, args ...any) {
		wrong = append(wrong, s.sid+": "+fmt.Sprintf(format, args...))
	}
	for _, role := range d.resources("AWS::IAM::Role") {
		for _, s := range statements(role) {
			if !s.allow {
				continue
			}
			if len(s.actions) == 0 || len(s.resources) == 0 {
				bad(s, "no action or no resource")
			}
			for _, a := range s.actions {
				if strings.Contains(a, "*") {
					bad(s, "action %s is a pattern", a)
				}
				for _, r := range s.resources {
					if problem := tooWide(a, r, s.condition); problem != "" {
						bad(s, "%s on %s: %s", a, r, problem)
					}
				}
			}
		}
	}
	return wrong
}

func tooWide(action, on string, condition any) string {
	switch {
	case on == "*":
		if !slices.Contains(unbounded, action) {
			return "any resource"
		}
	case action == "s3:ListBucket":
		if on != bucketARN || len(texts(condition, "StringLikeIfExists", "s3:prefix")) == 0 || slices.Contains(texts(condition, "StringLikeIfExists", "s3:prefix"), "*") {
			return "no condition on the prefix"
		}
	case action == "s3:ListBucketMultipartUploads":
		if on != bucketARN {
			return "not the bucket"
		}
	case strings.HasPrefix(action, "s3:"):
		if !objectsOfOnePrefix.MatchString(on) {
			return "not the objects of one known prefix"
		}
	case strings.HasPrefix(action, "secretsmanager:") && on != cronKey:
		if text(condition, "Null", "secretsmanager:ResourceTag/backup-restore:database") != "false" {
			return "secrets without the tag of a database"
		}
	case strings.Contains(on, "*"):
		return "a pattern"
	}
	return ""
}

// checkRoles: each function has a role of its own, all of whose rights stand in the template.
func checkRoles(d document) (wrong []string) {
	users := map[string]string{}
	for _, f := range d.functions() {
		name := f.reference("Role")
		role := d.resource(name)
		switch {
		case role.typ != "AWS::IAM::Role":
			wrong = append(wrong, f.name+": no role that stands in the template, so SAM would make a wide one")
			continue
		case users[name] != "":
			wrong = append(wrong, fmt.Sprintf("%s shares its role with %s", f.name, users[name]))
		case f.property("Policies") != nil:
			wrong = append(wrong, f.name+": Policies have no effect beside Role")
		}
		users[name] = f.name
		if logs := referred(f.property("LoggingConfig", "LogGroup")); !allows(role, "logs:PutLogEvents", "${"+logs+".Arn}") {
			wrong = append(wrong, fmt.Sprintf("%s can't write to its log group %s", f.name, logs))
		}
	}
	for _, role := range d.resources("AWS::IAM::Role") {
		if role.property("ManagedPolicyArns") != nil {
			wrong = append(wrong, role.name+": managed policies reach further than this stack")
		}
		for _, s := range list(role.property("AssumeRolePolicyDocument", "Statement")) {
			if text(s, "Principal", "Service") != "lambda.amazonaws.com" || at(s, "Principal", "AWS") != nil {
				wrong = append(wrong, role.name+": somebody else than Lambda may take it on")
			}
		}
		if users[role.name] == "" {
			wrong = append(wrong, role.name+": no function has it")
		}
	}
	for _, typ := range []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::SecretsManager::ResourcePolicy"} {
		for _, r := range d.resources(typ) {
			wrong = append(wrong, fmt.Sprintf("%s: a %s is not looked at by these checks", r.name, typ))
		}
	}
	return wrong
}
