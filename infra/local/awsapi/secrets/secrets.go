package secrets

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

type createInput struct {
	Name               string
	ClientRequestToken string
	Description        string
	KmsKeyId           string // the protocol's spelling, as in all types here
	value
	Tags []tag
}

type createOutput struct {
	ARN       string
	Name      string
	VersionId string `json:",omitempty"`
}

var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)

func (s *Server) createSecret(in *createInput) (createOutput, error) {
	if !secretName.MatchString(in.Name) {
		return createOutput{}, invalid("Invalid name. Must be a valid name containing alphanumeric characters, or any of the " +
			"following: -/_+=.@!")
	}
	if err := checkVersion(&in.ClientRequestToken, in.value); err != nil {
		return createOutput{}, err
	}
	if x, ok := s.secrets[in.Name]; ok {
		v := x.version(in.ClientRequestToken)
		switch {
		case !x.Deleted.IsZero():
			return createOutput{}, invalidRequest("You can't create this secret because a secret with this name is already " +
				"scheduled for deletion.")
		case v != nil && v.equal(in.value): // the same call again
			return createOutput{x.ARN, x.Name, v.ID}, nil
		}
		return createOutput{}, exists("The operation failed because the secret %s already exists.", in.Name)
	}
	now := s.now()
	x := secret{ARN: s.newARN(in.Name), Name: in.Name, Description: in.Description, KMSKey: in.KmsKeyId,
		Created: now, Changed: now}
	x.setTags(in.Tags)
	out := createOutput{ARN: x.ARN, Name: x.Name}
	if in.given() {
		x.Versions = []version{{ID: in.ClientRequestToken, Created: now, value: in.value, Stages: []string{current}}}
		out.VersionId = in.ClientRequestToken
	}
	return out, s.keep(x)
}

// setTags adds tags and replaces those of the same key.
func (x *secret) setTags(tags []tag) {
	for _, t := range tags {
		if i := slices.IndexFunc(x.Tags, func(old tag) bool { return old.Key == t.Key }); i >= 0 {
			x.Tags[i] = t
		} else {
			x.Tags = append(x.Tags, t)
		}
	}
}

type secretID struct{ SecretId string }

type description struct {
	ARN                string
	Name               string
	Description        string   `json:",omitempty"`
	KmsKeyId           string   `json:",omitempty"`
	CreatedDate        float64  // seconds since 1970, as all dates
	LastChangedDate    float64  `json:",omitzero"`
	DeletedDate        float64  `json:",omitzero"`
	Tags               []tag    `json:",omitempty"`
	RotationEnabled    bool     `json:",omitempty"`
	VersionIdsToStages stageMap `json:",omitempty"`
	// SecretVersionsToStages is what a list calls it.
	SecretVersionsToStages stageMap `json:",omitempty"`
}

type stageMap map[string][]string

func describe(x *secret) description {
	return description{ARN: x.ARN, Name: x.Name, Description: x.Description, KmsKeyId: x.KMSKey, Tags: x.Tags,
		CreatedDate: epoch(x.Created), LastChangedDate: epoch(x.Changed), DeletedDate: epoch(x.Deleted)}
}

// stages maps versions to their labels; versions without one are deprecated and left out.
func (x *secret) stages() stageMap {
	m := stageMap{}
	for _, v := range x.Versions {
		if len(v.Stages) > 0 {
			m[v.ID] = v.Stages
		}
	}
	return m
}

func (s *Server) describeSecret(in *secretID) (description, error) {
	x, err := s.findAny(in.SecretId) // also one that is marked for deletion
	if err != nil {
		return description{}, err
	}
	d := describe(x)
	d.VersionIdsToStages = x.stages()
	return d, nil
}

type tagInput struct {
	SecretId string
	Tags     []tag
}

func (s *Server) tagResource(in *tagInput) (any, error) {
	x, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	c := x.clone()
	c.setTags(in.Tags)
	c.Changed = s.now()
	return nil, s.keep(c)
}

type untagInput struct {
	SecretId string
	TagKeys  []string
}

func (s *Server) untagResource(in *untagInput) (any, error) {
	x, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	c := x.clone()
	c.Tags = slices.DeleteFunc(c.Tags, func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	c.Changed = s.now()
	return nil, s.keep(c)
}

type deleteInput struct {
	SecretId                   string
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

type deleteOutput struct {
	ARN          string
	Name         string
	DeletionDate float64
}

func (s *Server) deleteSecret(in *deleteInput) (deleteOutput, error) {
	days := 30
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return deleteOutput{}, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with " +
				"RecoveryWindowInDays.")
		}
		if days < 7 || days > 30 {
			return deleteOutput{}, invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
	}
	now := s.now()
	x, err := s.findAny(in.SecretId)
	switch {
	case err == nil && in.ForceDeleteWithoutRecovery:
		return deleteOutput{x.ARN, x.Name, epoch(now)}, s.remove(x)
	case in.ForceDeleteWithoutRecovery: // by force, a secret that is not there is no error
		name := strings.TrimPrefix(in.SecretId, s.arn(""))
		return deleteOutput{s.arn(name), name, epoch(now)}, nil
	case err != nil:
		return deleteOutput{}, err
	}
	if !x.Deleted.IsZero() {
		return deleteOutput{}, invalidRequest("You tried to perform the operation on a secret that's currently marked deleted.")
	}
	c := x.clone()
	c.Deleted, c.Gone = now, now.Add(time.Duration(days)*24*time.Hour)
	return deleteOutput{c.ARN, c.Name, epoch(c.Gone)}, s.keep(c)
}

type nameOutput struct{ ARN, Name string }

func (s *Server) restoreSecret(in *secretID) (nameOutput, error) {
	x, err := s.findAny(in.SecretId)
	if err != nil {
		return nameOutput{}, err
	}
	c := x.clone()
	c.Deleted, c.Gone = time.Time{}, time.Time{}
	return nameOutput{c.ARN, c.Name}, s.keep(c)
}
