package conformance

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// secret is a secret under test.
type secret struct {
	t    *testing.T
	c    *secretsmanager.Client
	name string
	arn  string
	id   string // of the first version, "" where there is none
}

// newSecret makes one with a value, or without one where it is "".
func newSecret(t *testing.T, value string, tags ...types.Tag) *secret {
	t.Helper()
	s := &secret{t: t, c: secretsClient(), name: unique()}
	in := &secretsmanager.CreateSecretInput{Name: &s.name, Tags: tags}
	if value != "" {
		in.SecretString = &value
	}
	out := must[*secretsmanager.CreateSecretOutput](t)(s.c.CreateSecret(t.Context(), in))
	s.arn, s.id = aws.ToString(out.ARN), aws.ToString(out.VersionId)
	return s
}

func (s *secret) get(in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	if in.SecretId == nil {
		in.SecretId = &s.name
	}
	return s.c.GetSecretValue(s.t.Context(), in)
}

// value is what a stage holds, AWSCURRENT where it is "".
func (s *secret) value(stage string) string {
	s.t.Helper()
	in := &secretsmanager.GetSecretValueInput{}
	if stage != "" {
		in.VersionStage = &stage
	}
	return aws.ToString(must[*secretsmanager.GetSecretValueOutput](s.t)(s.get(in)).SecretString)
}

func (s *secret) put(token, value string, stages ...string) (*secretsmanager.PutSecretValueOutput, error) {
	in := &secretsmanager.PutSecretValueInput{SecretId: &s.name, SecretString: &value, VersionStages: stages}
	if token != "" {
		in.ClientRequestToken = &token
	}
	return s.c.PutSecretValue(s.t.Context(), in)
}

func (s *secret) stages() map[string][]string {
	s.t.Helper()
	out := must[*secretsmanager.DescribeSecretOutput](s.t)(s.c.DescribeSecret(s.t.Context(),
		&secretsmanager.DescribeSecretInput{SecretId: &s.name}))
	for id, stages := range out.VersionIdsToStages {
		slices.Sort(stages)
		if len(stages) == 0 { // AWS leaves versions without a stage out, moto does not
			delete(out.VersionIdsToStages, id)
		}
	}
	return out.VersionIdsToStages
}

func (s *secret) wantStages(want map[string][]string) {
	s.t.Helper()
	if got := s.stages(); !maps.EqualFunc(got, want, slices.Equal) {
		s.t.Errorf("the stages are %v, want %v", got, want)
	}
}

const otherToken = "11111111-2222-4333-8444-555555555555"

func TestSecrets_CreateAndGet(t *testing.T) {
	t.Parallel()
	s := newSecret(t, `{"engine":"postgres"}`)
	if ok, _ := regexp.MatchString(`^arn:aws:secretsmanager:`+region+`:\d{12}:secret:`+s.name+`-[A-Za-z0-9]{6}$`, s.arn); !ok {
		t.Errorf("the ARN is %s", s.arn)
	}
	for what, id := range map[string]string{"by name": s.name, "by ARN": s.arn} {
		out := must[*secretsmanager.GetSecretValueOutput](t)(s.get(&secretsmanager.GetSecretValueInput{SecretId: &id}))
		if aws.ToString(out.SecretString) != `{"engine":"postgres"}` || aws.ToString(out.VersionId) != s.id || aws.ToString(out.ARN) != s.arn ||
			aws.ToString(out.Name) != s.name || !slices.Equal(out.VersionStages, []string{"AWSCURRENT"}) ||
			time.Since(aws.ToTime(out.CreatedDate)).Abs() > time.Minute {
			t.Errorf("%s got %+v", what, out)
		}
	}
	t.Run("binary", func(t *testing.T) {
		name := unique()
		must[*secretsmanager.CreateSecretOutput](t)(s.c.CreateSecret(t.Context(),
			&secretsmanager.CreateSecretInput{Name: &name, SecretBinary: []byte{0, 255}}))
		out := must[*secretsmanager.GetSecretValueOutput](t)(s.get(&secretsmanager.GetSecretValueInput{SecretId: &name}))
		if string(out.SecretBinary) != "\x00\xff" || out.SecretString != nil {
			t.Errorf("got %v and %v", out.SecretBinary, out.SecretString)
		}
	})
	t.Run("a name with slashes", func(t *testing.T) {
		name := "backup-restore/" + unique() + "/cron.key_+=@-x"
		out := must[*secretsmanager.CreateSecretOutput](t)(s.c.CreateSecret(t.Context(),
			&secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("v")}))
		must[*secretsmanager.GetSecretValueOutput](t)(s.get(&secretsmanager.GetSecretValueInput{SecretId: out.ARN}))
	})
	t.Run("a name that is taken", func(t *testing.T) {
		_, err := s.c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &s.name, SecretString: aws.String("other")})
		wantCode(t, err, "ResourceExistsException")
	})
}

func TestSecrets_WithoutAValue(t *testing.T) {
	t.Parallel()
	s := newSecret(t, "")
	if s.id != "" {
		t.Errorf("it was made with version %s", s.id)
	}
	if got := s.stages(); len(got) != 0 {
		t.Errorf("it has the versions %v", got)
	}
	_, err := s.get(&secretsmanager.GetSecretValueInput{})
	wantCode(t, err, "ResourceNotFoundException")
	out := must[*secretsmanager.PutSecretValueOutput](t)(s.put("", "first"))
	if !slices.Equal(out.VersionStages, []string{"AWSCURRENT"}) || s.value("") != "first" {
		t.Errorf("the first value has the stages %v", out.VersionStages)
	}
	s.wantStages(map[string][]string{*out.VersionId: {"AWSCURRENT"}})
}

func TestSecrets_PutMovesTheStages(t *testing.T) {
	t.Parallel()
	s := newSecret(t, "one")
	two := *must[*secretsmanager.PutSecretValueOutput](t)(s.put("", "two")).VersionId
	s.wantStages(map[string][]string{two: {"AWSCURRENT"}, s.id: {"AWSPREVIOUS"}})
	if s.value("") != "two" || s.value("AWSPREVIOUS") != "one" {
		t.Errorf("current is %q, previous %q", s.value(""), s.value("AWSPREVIOUS"))
	}
	three := *must[*secretsmanager.PutSecretValueOutput](t)(s.put("", "three")).VersionId
	s.wantStages(map[string][]string{three: {"AWSCURRENT"}, two: {"AWSPREVIOUS"}}) // the first is deprecated
	out := must[*secretsmanager.GetSecretValueOutput](t)(s.get(&secretsmanager.GetSecretValueInput{VersionId: &two}))
	if aws.ToString(out.SecretString) != "two" || !slices.Equal(out.VersionStages, []string{"AWSPREVIOUS"}) {
		t.Errorf("version two is %q with the stages %v", aws.ToString(out.SecretString), out.VersionStages)
	}
	t.Run("a version that is not there", func(t *testing.T) {
		_, err := s.get(&secretsmanager.GetSecretValueInput{VersionId: aws.String(otherToken)})
		wantCode(t, err, "ResourceNotFoundException")
	})
	t.Run("a stage that is not there", func(t *testing.T) {
		_, err := s.get(&secretsmanager.GetSecretValueInput{VersionStage: aws.String("NONE")})
		wantCode(t, err, "ResourceNotFoundException")
	})
	t.Run("a version by the stage of another", func(t *testing.T) {
		_, err := s.get(&secretsmanager.GetSecretValueInput{VersionId: &three, VersionStage: aws.String("AWSPREVIOUS")})
		wantCode(t, err, "InvalidRequestException")
	})
}

func TestSecrets_PutOfTheSameToken(t *testing.T) {
	t.Parallel()
	s := newSecret(t, "one")
	const token = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	for range 2 { // the second is as if it had not been
		out := must[*secretsmanager.PutSecretValueOutput](t)(s.put(token, "two"))
		if *out.VersionId != token {
			t.Errorf("the version is %s", *out.VersionId)
		}
		s.wantStages(map[string][]string{token: {"AWSCURRENT"}, s.id: {"AWSPREVIOUS"}})
	}
	_, err := s.put(token, "three")
	wantCode(t, err, "ResourceExistsException")
	if s.value("") != "two" {
		t.Errorf("the value is %q", s.value(""))
	}
	_, err = s.put("short", "three")
	wantCode(t, err, "InvalidParameterException")
	t.Run("after another put it does not come back", func(t *testing.T) {
		four := *must[*secretsmanager.PutSecretValueOutput](t)(s.put("", "four")).VersionId
		must[*secretsmanager.PutSecretValueOutput](t)(s.put(token, "two"))
		s.wantStages(map[string][]string{four: {"AWSCURRENT"}, token: {"AWSPREVIOUS"}})
	})
}

func TestSecrets_PendingBecomesCurrent(t *testing.T) {
	t.Parallel()
	s := newSecret(t, "one")
	pending := *must[*secretsmanager.PutSecretValueOutput](t)(s.put("", "two", "AWSPENDING")).VersionId
	s.wantStages(map[string][]string{s.id: {"AWSCURRENT"}, pending: {"AWSPENDING"}})
	if s.value("") != "one" || s.value("AWSPENDING") != "two" {
		t.Errorf("current is %q, pending %q", s.value(""), s.value("AWSPENDING"))
	}
	move := func(stage string, to, from *string) error {
		_, err := s.c.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{SecretId: &s.name,
			VersionStage: &stage, MoveToVersionId: to, RemoveFromVersionId: from})
		return err
	}
	wantCode(t, move("AWSCURRENT", &pending, nil), "InvalidParameterException")      // it must say from where
	wantCode(t, move("AWSCURRENT", &pending, &pending), "InvalidParameterException") // and rightly
	s.wantStages(map[string][]string{s.id: {"AWSCURRENT"}, pending: {"AWSPENDING"}})
	if err := move("AWSCURRENT", &pending, &s.id); err != nil {
		t.Fatal(err)
	}
	s.wantStages(map[string][]string{s.id: {"AWSPREVIOUS"}, pending: {"AWSCURRENT", "AWSPENDING"}})
	if err := move("AWSPENDING", nil, &pending); err != nil {
		t.Fatal(err)
	}
	s.wantStages(map[string][]string{s.id: {"AWSPREVIOUS"}, pending: {"AWSCURRENT"}})
	t.Run("and back", func(t *testing.T) {
		if err := move("AWSCURRENT", &s.id, &pending); err != nil {
			t.Fatal(err)
		}
		s.wantStages(map[string][]string{s.id: {"AWSCURRENT"}, pending: {"AWSPREVIOUS"}})
	})
	t.Run("current can't be taken away", func(t *testing.T) {
		deviates(t, "moto", "it takes it")
		wantCode(t, move("AWSCURRENT", nil, &s.id), "InvalidParameterException")
	})
}

func TestSecrets_ListVersions(t *testing.T) {
	t.Parallel()
	s := newSecret(t, "one")
	two := *must[*secretsmanager.PutSecretValueOutput](t)(s.put("", "two")).VersionId
	three := *must[*secretsmanager.PutSecretValueOutput](t)(s.put("", "three")).VersionId
	list := func(deprecated bool) []string {
		out := must[*secretsmanager.ListSecretVersionIdsOutput](t)(s.c.ListSecretVersionIds(t.Context(),
			&secretsmanager.ListSecretVersionIdsInput{SecretId: &s.name, IncludeDeprecated: &deprecated}))
		var ids []string
		for _, v := range out.Versions {
			ids = append(ids, *v.VersionId)
		}
		return slices.Sorted(slices.Values(ids))
	}
	if got, want := list(true), slices.Sorted(slices.Values([]string{s.id, two, three})); !slices.Equal(got, want) {
		t.Errorf("all versions are %v, want %v", got, want)
	}
	t.Run("without the deprecated", func(t *testing.T) {
		deviates(t, "moto", "it lists the deprecated always")
		if got, want := list(false), slices.Sorted(slices.Values([]string{two, three})); !slices.Equal(got, want) {
			t.Errorf("the versions are %v, want %v", got, want)
		}
	})
}

func TestSecrets_TagsAndDescription(t *testing.T) {
	t.Parallel()
	s := newSecret(t, "one", tag("a", "1"), tag("b", "2"))
	must[*secretsmanager.TagResourceOutput](t)(s.c.TagResource(t.Context(),
		&secretsmanager.TagResourceInput{SecretId: &s.arn, Tags: []types.Tag{tag("b", "3"), tag("c", "4")}}))
	must[*secretsmanager.UntagResourceOutput](t)(s.c.UntagResource(t.Context(),
		&secretsmanager.UntagResourceInput{SecretId: &s.name, TagKeys: []string{"a"}}))
	out := must[*secretsmanager.DescribeSecretOutput](t)(s.c.DescribeSecret(t.Context(),
		&secretsmanager.DescribeSecretInput{SecretId: &s.arn}))
	if got, want := tagTexts(out.Tags), []string{"b=3", "c=4"}; !slices.Equal(got, want) {
		t.Errorf("the tags are %q, want %q", got, want)
	}
	if *out.Name != s.name || *out.ARN != s.arn || out.DeletedDate != nil ||
		time.Since(aws.ToTime(out.CreatedDate)).Abs() > time.Minute || time.Since(aws.ToTime(out.LastChangedDate)).Abs() > time.Minute {
		t.Errorf("got %+v", out)
	}
}

func tag(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }

func tagTexts(tags []types.Tag) []string {
	var texts []string
	for _, t := range tags {
		texts = append(texts, *t.Key+"="+*t.Value)
	}
	return slices.Sorted(slices.Values(texts))
}

func TestSecrets_ListByTagOverPages(t *testing.T) {
	t.Parallel()
	c := secretsClient()
	key := "backup-restore:database-" + unique() // of this test alone
	var want []string
	for i := range 5 {
		want = append(want, newSecret(t, "v", tag(key, fmt.Sprintf("db%d", i)), tag("other", "x")).name)
	}
	untagged := newSecret(t, "v", tag("x"+key, "db0"))
	slices.Sort(want)
	list := func(page int32, filters ...types.Filter) []string {
		var names []string
		in := &secretsmanager.ListSecretsInput{MaxResults: &page, Filters: filters}
		for p := secretsmanager.NewListSecretsPaginator(c, in); p.HasMorePages(); {
			out := must[*secretsmanager.ListSecretsOutput](t)(p.NextPage(t.Context()))
			if len(out.SecretList) > int(page) {
				t.Errorf("a page has %d secrets, more than %d", len(out.SecretList), page)
			}
			for _, s := range out.SecretList {
				names = append(names, *s.Name)
			}
		}
		return slices.Sorted(slices.Values(names))
	}
	for _, tt := range []struct {
		name    string
		page    int32
		filters []types.Filter
		want    []string
	}{
		{"by tag key", 100, []types.Filter{filter("tag-key", key)}, want},
		{"by tag key, 2 on a page", 2, []types.Filter{filter("tag-key", key)}, want},
		{"by tag key and value", 100, []types.Filter{filter("tag-key", key), filter("tag-value", "db3")}, want[3:4]},
		{"by either of two values", 100, []types.Filter{filter("tag-key", key), filter("tag-value", "db3", "db1")}, []string{want[1], want[3]}},
		{"by the beginning of a tag key", 100, []types.Filter{filter("tag-key", key[:len(key)-3])}, want},
		{"by name", 100, []types.Filter{filter("name", want[2])}, want[2:3]},
		{"by the beginning of a name", 100, []types.Filter{filter("name", want[2][:len(want[2])-2]), filter("tag-key", key)}, nil},
		{"no such tag", 100, []types.Filter{filter("tag-key", key+"-none")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := list(tt.page, tt.filters...)
			if tt.want == nil && tt.name == "by the beginning of a name" {
				if !slices.Contains(got, want[2]) { // others may begin like it
					t.Errorf("got %q, without %s", got, want[2])
				}
				return
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if slices.Contains(list(100, filter("tag-key", key)), untagged.name) {
		t.Error("a key that only ends in the filter's value was listed")
	}
	out := must[*secretsmanager.ListSecretsOutput](t)(c.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{Filters: []types.Filter{filter("name", want[0])}}))
	if len(out.SecretList) != 1 || !slices.Contains(tagTexts(out.SecretList[0].Tags), "other=x") || aws.ToString(out.SecretList[0].ARN) == "" {
		t.Errorf("listed %+v", out.SecretList)
	}
}

func filter(key types.FilterNameStringType, values ...string) types.Filter {
	return types.Filter{Key: key, Values: values}
}

func TestSecrets_DeleteAndRestore(t *testing.T) {
	t.Parallel()
	s := newSecret(t, "one")
	out := must[*secretsmanager.DeleteSecretOutput](t)(s.c.DeleteSecret(t.Context(),
		&secretsmanager.DeleteSecretInput{SecretId: &s.name, RecoveryWindowInDays: aws.Int64(7)}))
	if d := time.Until(aws.ToTime(out.DeletionDate)) - 7*24*time.Hour; d.Abs() > time.Hour {
		t.Errorf("it will be deleted at %s", aws.ToTime(out.DeletionDate))
	}
	listed := func(deleted bool) int {
		out := must[*secretsmanager.ListSecretsOutput](t)(s.c.ListSecrets(t.Context(),
			&secretsmanager.ListSecretsInput{Filters: []types.Filter{filter("name", s.name)}, IncludePlannedDeletion: &deleted}))
		return len(out.SecretList)
	}
	if listed(false) != 0 || listed(true) != 1 {
		t.Errorf("it is listed %d times, and %d times with the deleted", listed(false), listed(true))
	}
	calls := map[string]func() error{
		"GetSecretValue": func() error { _, err := s.get(&secretsmanager.GetSecretValueInput{}); return err },
		"PutSecretValue": func() error { _, err := s.put("", "two"); return err },
		"CreateSecret": func() error {
			_, err := s.c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &s.name, SecretString: aws.String("x")})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name+" is refused", func(t *testing.T) {
			switch name {
			case "PutSecretValue":
				deviates(t, "moto", "it takes new values for a deleted secret")
			case "CreateSecret":
				deviates(t, "moto", "it answers ResourceExistsException, not that the secret is scheduled for deletion")
			}
			wantCode(t, call(), "InvalidRequestException")
		})
	}
	d := must[*secretsmanager.DescribeSecretOutput](t)(s.c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &s.name}))
	if d.DeletedDate == nil {
		t.Error("its description does not say when it was deleted")
	}
	must[*secretsmanager.RestoreSecretOutput](t)(s.c.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: &s.name}))
	if s.value("") != "one" {
		t.Errorf("restored, it is %q", s.value(""))
	}
}

func TestSecrets_DeleteByForce(t *testing.T) {
	t.Parallel()
	s := newSecret(t, "one")
	del := func() error {
		_, err := s.c.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &s.name, ForceDeleteWithoutRecovery: aws.Bool(true)})
		return err
	}
	if err := del(); err != nil {
		t.Fatal(err)
	}
	_, err := s.get(&secretsmanager.GetSecretValueInput{})
	wantCode(t, err, "ResourceNotFoundException")
	if err := del(); err != nil {
		t.Errorf("by force again: %v", err)
	}
	again := must[*secretsmanager.CreateSecretOutput](t)(s.c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &s.name, SecretString: aws.String("new")}))
	if *again.ARN == s.arn {
		t.Error("made anew it has the same ARN")
	}
	t.Run("the old ARN no longer finds it", func(t *testing.T) {
		_, err := s.get(&secretsmanager.GetSecretValueInput{SecretId: &s.arn})
		wantCode(t, err, "ResourceNotFoundException")
	})
	_, err = s.c.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &s.name,
		ForceDeleteWithoutRecovery: aws.Bool(true), RecoveryWindowInDays: aws.Int64(7)})
	wantCode(t, err, "InvalidParameterException")
	_, err = s.c.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &s.name, RecoveryWindowInDays: aws.Int64(6)})
	wantCode(t, err, "InvalidParameterException")
}

func TestSecrets_ASecretThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := secretsClient()
	none := unique()
	for name, call := range map[string]func() error{
		"GetSecretValue": func() error {
			_, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &none})
			return err
		},
		"PutSecretValue": func() error {
			_, err := c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &none, SecretString: aws.String("x")})
			return err
		},
		"DescribeSecret": func() error {
			_, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &none})
			return err
		},
		"DeleteSecret": func() error {
			_, err := c.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &none})
			return err
		},
		"TagResource": func() error {
			_, err := c.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &none, Tags: []types.Tag{tag("a", "b")}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCode(t, call(), "ResourceNotFoundException")
		})
	}
}
