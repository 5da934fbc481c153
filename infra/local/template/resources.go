package template

import (
	"encoding/json"
	"fmt"
	"strconv"
)

func (b *builder) queue(p *object) {
	name, err := b.physicalName(p.id, p.typ)
	if err != nil {
		p.fail("QueueName", err)
	}
	p.known["QueueName"] = true
	q := Queue{ID: p.id, Name: name, Attributes: map[string]string{}}
	for _, a := range []struct {
		property, attribute string
		low, high           int
	}{
		{"VisibilityTimeout", "VisibilityTimeout", 0, 43_200},
		{"MessageRetentionPeriod", "MessageRetentionPeriod", 60, 1_209_600},
		{"ReceiveMessageWaitTimeSeconds", "ReceiveMessageWaitTimeSeconds", 0, 20},
		{"DelaySeconds", "DelaySeconds", 0, 900},
		{"MaximumMessageSize", "MaximumMessageSize", 1024, 1_048_576},
	} {
		if !p.has(a.property) {
			continue
		}
		n := p.integer(a.property, a.low)
		if n < a.low || n > a.high {
			p.failf(a.property, "it is not within %d to %d", a.low, a.high)
		}
		q.Attributes[a.attribute] = strconv.Itoa(n)
	}
	if r := p.object("RedrivePolicy"); r != nil {
		q.DeadLetters = r.referred("deadLetterTargetArn", "AWS::SQS::Queue")
		limit := r.integer("maxReceiveCount", 0)
		if limit < 1 || limit > 1000 {
			r.failf("maxReceiveCount", "it is not within 1 to 1000")
		}
		policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": r.text("deadLetterTargetArn", ""), "maxReceiveCount": limit})
		if err != nil {
			p.fail("RedrivePolicy", err)
		}
		q.Attributes["RedrivePolicy"] = string(policy)
		r.done()
	}
	if p.boolean("FifoQueue", false) {
		p.failf("FifoQueue", "only standard queues are run")
	}
	p.refuse("only standard queues are run", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
	p.ignore(noKMS, "SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds")
	p.ignore(noIAM, "RedriveAllowPolicy")
	p.ignore(noTags, "Tags")
	b.stack.Queues = append(b.stack.Queues, q)
}

func (b *builder) bucket(p *object) {
	name, err := b.physicalName(p.id, p.typ)
	if err != nil {
		p.fail("BucketName", err)
	}
	p.known["BucketName"] = true
	k := Bucket{ID: p.id, Name: name}
	if v := p.object("VersioningConfiguration"); v != nil {
		v.only("Status", "neither Enabled nor Suspended", "Enabled", "Suspended")
		k.Versioned = v.text("Status", "") == "Enabled"
		v.done()
	}
	if c := p.object("CorsConfiguration"); c != nil {
		for _, r := range c.objects("CorsRules") {
			k.CORS = append(k.CORS, BucketCORS{ID: r.text("Id", ""), AllowedHeaders: r.texts("AllowedHeaders"),
				AllowedMethods: r.texts("AllowedMethods"), AllowedOrigins: r.texts("AllowedOrigins"),
				ExposedHeaders: r.texts("ExposedHeaders"), MaxAge: r.integer("MaxAge", 0)})
			r.done()
		}
		c.done()
	}
	if p.boolean("ObjectLockEnabled", false) {
		p.failf("ObjectLockEnabled", "object lock is not switched on here")
	}
	p.refuse("nothing listens to a bucket's events here", "NotificationConfiguration")
	p.refuse("there is one machine and one copy", "ReplicationConfiguration", "ObjectLockConfiguration", "WebsiteConfiguration")
	p.ignore("the state folder holds one developer's data: nothing in it expires", "LifecycleConfiguration")
	p.ignore(noKMS, "BucketEncryption")
	p.ignore(noIAM, "PublicAccessBlockConfiguration", "OwnershipControls", "AccessControl")
	p.ignore(noLogs, "LoggingConfiguration")
	p.ignore(noMonitor, "MetricsConfigurations", "InventoryConfigurations", "AnalyticsConfigurations")
	p.ignore(noTags, "Tags")
	b.stack.Buckets = append(b.stack.Buckets, k)
}

func (b *builder) secret(p *object) {
	name, err := b.physicalName(p.id, p.typ)
	if err != nil {
		p.fail("Name", err)
	}
	p.known["Name"] = true
	s := Secret{ID: p.id, Name: name, Description: p.text("Description", ""), Tags: map[string]string{}}
	for _, t := range p.objects("Tags") {
		s.Tags[t.text("Key", "")] = t.text("Value", "")
		t.done()
	}
	if p.has("SecretString") {
		v := p.text("SecretString", "")
		s.Value = &v
	}
	if g := p.object("GenerateSecretString"); g != nil {
		s.Generate = &Generate{Template: g.text("SecretStringTemplate", ""), Key: g.text("GenerateStringKey", ""),
			Length: g.integer("PasswordLength", 32), Exclude: g.text("ExcludeCharacters", ""),
			NoPunctuation: g.boolean("ExcludePunctuation", false), NoUppercase: g.boolean("ExcludeUppercase", false),
			NoLowercase: g.boolean("ExcludeLowercase", false), NoNumbers: g.boolean("ExcludeNumbers", false),
			Space: g.boolean("IncludeSpace", false), RequireEachType: g.boolean("RequireEachIncludedType", true)}
		if (s.Generate.Template == "") != (s.Generate.Key == "") {
			g.failf("GenerateStringKey", "it and SecretStringTemplate go together")
		}
		if s.Generate.Length < 1 || s.Generate.Length > 4096 {
			g.failf("PasswordLength", "it is not within 1 to 4096")
		}
		g.done()
	}
	if s.Value != nil && s.Generate != nil {
		p.fail("GenerateSecretString", fmt.Errorf("SecretString is there too"))
	}
	p.ignore(noKMS, "KmsKeyId")
	p.refuse("there is one machine and one copy", "ReplicaRegions")
	b.stack.Secrets = append(b.stack.Secrets, s)
}
