package secrets

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
)

// The staging labels that Secrets Manager moves by itself.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

var nextTokenError = awsjson.Error{Type: "InvalidNextTokenException", Message: "The NextToken is not valid."}

// checkVersion checks what makes a version, and gives it an id where the client gave none.
func checkVersion(token *string, v value) error {
	const longest = 65_536
	switch {
	case *token == "":
		var b [16]byte
		_, _ = rand.Read(b[:])
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		*token = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	case len(*token) < 32 || len(*token) > 64:
		return invalidParameter("ClientRequestToken must be 32-64 characters long.")
	}
	switch {
	case v.SecretString != nil && v.SecretBinary != nil:
		return invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case v.SecretString != nil && *v.SecretString == "":
		return invalid("The secret value is empty.")
	case v.SecretString != nil && len(*v.SecretString) > longest, len(v.SecretBinary) > longest:
		return invalid("The secret value is longer than %d bytes.", longest)
	}
	return nil
}

// version returns the version of an id, or nil.
func (x *secret) version(id string) *version {
	for i := range x.Versions {
		if x.Versions[i].ID == id {
			return &x.Versions[i]
		}
	}
	return nil
}

// holder returns the version that has a label, or nil.
func (x *secret) holder(stage string) *version {
	for i := range x.Versions {
		if slices.Contains(x.Versions[i].Stages, stage) {
			return &x.Versions[i]
		}
	}
	return nil
}

// attach moves a label to a version. Where it is AWSCURRENT, the version that had it gets AWSPREVIOUS.
func (x *secret) attach(stage string, to *version) {
	from := x.holder(stage)
	if from == to {
		return
	}
	if from != nil {
		from.detach(stage)
	}
	to.Stages = append(to.Stages, stage)
	if stage == current && from != nil {
		x.attach(previous, from)
	}
}

func (v *version) detach(stage string) {
	v.Stages = slices.DeleteFunc(v.Stages, func(s string) bool { return s == stage })
}

type getInput struct {
	SecretId     string
	VersionId    string
	VersionStage string
}

type valueOutput struct {
	ARN       string
	Name      string
	VersionId string
	value
	VersionStages []string `json:",omitempty"`
	CreatedDate   float64
}

func (s *Server) getSecretValue(in *getInput) (valueOutput, error) {
	x, err := s.find(in.SecretId)
	if err != nil {
		return valueOutput{}, err
	}
	var v *version
	switch {
	case in.VersionId != "":
		v = x.version(in.VersionId)
		if v == nil {
			return valueOutput{}, notFound("Secrets Manager can't find the specified secret value for VersionId: %s", in.VersionId)
		}
		if in.VersionStage != "" && !slices.Contains(v.Stages, in.VersionStage) {
			return valueOutput{}, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
		}
	default:
		stage := in.VersionStage
		if stage == "" {
			stage = current
		}
		if v = x.holder(stage); v == nil {
			return valueOutput{}, notFound("Secrets Manager can't find the specified secret value for staging label: %s", stage)
		}
	}
	return valueOutput{x.ARN, x.Name, v.ID, v.value, v.Stages, epoch(v.Created)}, nil
}

type putInput struct {
	SecretId           string
	ClientRequestToken string
	value
	VersionStages []string
}

type putOutput struct {
	ARN           string
	Name          string
	VersionId     string
	VersionStages []string
}

func (s *Server) putSecretValue(in *putInput) (putOutput, error) {
	x, err := s.find(in.SecretId)
	if err != nil {
		return putOutput{}, err
	}
	if err := checkVersion(&in.ClientRequestToken, in.value); err != nil {
		return putOutput{}, err
	}
	if !in.given() {
		return putOutput{}, invalidRequest("You must provide either SecretString or SecretBinary.")
	}
	if v := x.version(in.ClientRequestToken); v != nil {
		if !v.equal(in.value) {
			return putOutput{}, exists("You can't change the value of the version %s, which exists already.", v.ID)
		}
		return putOutput{x.ARN, x.Name, v.ID, v.Stages}, nil // the same call again
	}
	c := x.clone()
	c.Changed = s.now()
	c.Versions = append(c.Versions, version{ID: in.ClientRequestToken, Created: c.Changed, value: in.value})
	added := &c.Versions[len(c.Versions)-1]
	stages := in.VersionStages
	if len(stages) == 0 {
		stages = []string{current}
	}
	if len(c.Versions) == 1 && !slices.Contains(stages, current) { // the first is current whatever the client says
		stages = append(stages, current)
	}
	for _, stage := range stages {
		c.attach(stage, added)
	}
	out := putOutput{c.ARN, c.Name, added.ID, slices.Clone(added.Stages)}
	c.forget()
	return out, s.keep(c)
}

// forget drops the oldest versions without a label where there are more than 100, as Secrets Manager does.
func (x *secret) forget() {
	const most = 100
	for len(x.Versions) > most {
		i := slices.IndexFunc(x.Versions, func(v version) bool { return len(v.Stages) == 0 })
		if i < 0 {
			return
		}
		x.Versions = slices.Delete(x.Versions, i, i+1)
	}
}

type stageInput struct {
	SecretId            string
	VersionStage        string
	MoveToVersionId     string
	RemoveFromVersionId string
}

func (s *Server) updateSecretVersionStage(in *stageInput) (nameOutput, error) {
	x, err := s.find(in.SecretId)
	if err != nil {
		return nameOutput{}, err
	}
	if in.VersionStage == "" {
		return nameOutput{}, invalidParameter("VersionStage is missing.")
	}
	c := x.clone()
	from := c.holder(in.VersionStage)
	if err := checkMove(&c, from, in); err != nil {
		return nameOutput{}, err
	}
	if in.MoveToVersionId != "" {
		c.attach(in.VersionStage, c.version(in.MoveToVersionId))
	} else if from != nil {
		from.detach(in.VersionStage)
	}
	c.Changed = s.now()
	return nameOutput{c.ARN, c.Name}, s.keep(c)
}

// checkMove says what is wrong with moving a label away from the version that has it, nil where none has.
func checkMove(x *secret, from *version, in *stageInput) error {
	for _, id := range []string{in.MoveToVersionId, in.RemoveFromVersionId} {
		if id != "" && x.version(id) == nil {
			return notFound("Secrets Manager can't find the specified secret version: %s", id)
		}
	}
	switch {
	case in.MoveToVersionId == "" && in.RemoveFromVersionId == "":
		return invalidParameter("You must provide MoveToVersionId, RemoveFromVersionId, or both.")
	case in.RemoveFromVersionId == "" && from != nil && from.ID != in.MoveToVersionId:
		return invalidParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to "+
			"version %s, so you must explicitly reference that version in RemoveFromVersionId.", in.VersionStage, from.ID)
	case in.RemoveFromVersionId != "" && (from == nil || from.ID != in.RemoveFromVersionId):
		return invalidParameter("Staging label %s is not attached to version %s.", in.VersionStage, in.RemoveFromVersionId)
	case in.MoveToVersionId == "" && in.VersionStage == current:
		return invalidParameter("You can only move staging label AWSCURRENT to a different secret version. " +
			"It can't be completely removed.")
	}
	return nil
}

type versionsInput struct {
	SecretId          string
	IncludeDeprecated bool
	MaxResults        *int
	NextToken         string
}

type versionItem struct {
	VersionId     string
	VersionStages []string `json:",omitempty"`
	CreatedDate   float64
}

type versionsOutput struct {
	ARN       string
	Name      string
	Versions  []versionItem
	NextToken string `json:",omitempty"`
}

func (s *Server) listSecretVersionIDs(in *versionsInput) (versionsOutput, error) {
	limit, err := pageSize(in.MaxResults)
	if err != nil {
		return versionsOutput{}, err
	}
	x, err := s.findAny(in.SecretId)
	if err != nil {
		return versionsOutput{}, err
	}
	from := 0
	if in.NextToken != "" {
		if from, err = strconv.Atoi(in.NextToken); err != nil || from < 0 || from > len(x.Versions) {
			return versionsOutput{}, &nextTokenError
		}
	}
	out := versionsOutput{ARN: x.ARN, Name: x.Name, Versions: []versionItem{}}
	for i, v := range x.Versions[from:] {
		if len(v.Stages) == 0 && !in.IncludeDeprecated {
			continue
		}
		if len(out.Versions) == limit {
			out.NextToken = strconv.Itoa(from + i)
			break
		}
		out.Versions = append(out.Versions, versionItem{v.ID, v.Stages, epoch(v.Created)})
	}
	return out, nil
}
