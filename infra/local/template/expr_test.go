package template_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/infra/local/template"
)

// value resolves an expression as a variable of a function's environment.
func value(t *testing.T, expression string, o template.Options) (string, error) {
	t.Helper()
	s, err := resolve(t, head+`
Parameters:
  Text: { Type: String, Default: hello }
  Empty: { Type: String, Default: '' }
  List: { Type: CommaDelimitedList, Default: 'a, b,c' }
  Number: { Type: Number, Default: '007' }
Mappings:
  Sizes: { eu-central-1: { small: '1', big: '2' } }
Conditions:
  IsHello: !Equals [!Ref Text, hello]
  IsEmpty: { 'Fn::Equals': [{ Ref: Empty }, ''] }
  Both: !And [!Condition IsHello, !Condition IsEmpty]
  Either: !Or [!Not [!Condition IsHello], { Condition: IsEmpty }]
  Neither: !Not [!Or [!Condition IsHello, !Condition IsEmpty]]
Resources:
  Queue: { Type: AWS::SQS::Queue }
  Named: { Type: AWS::SQS::Queue, Properties: { QueueName: !Sub '${AWS::StackName}-x' } }
  Off: { Type: AWS::SQS::Queue, Condition: Neither }
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Environment: { Variables: { V: `+expression+` } }
`, o)
	if err != nil {
		return "", err
	}
	v, ok := s.Functions[0].Environment["V"]
	if !ok {
		v = "(absent)"
	}
	return v, nil
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`!Ref Text`:                                                 "hello",
		`{ Ref: Text }`:                                             "hello",
		`!Ref Number`:                                               "007",
		`!Ref AWS::Region`:                                          "eu-central-1",
		`!Ref AWS::AccountId`:                                       "000000000000",
		`!Ref AWS::Partition`:                                       "aws",
		`!Ref AWS::NoValue`:                                         "(absent)",
		`!Ref Queue`:                                                "http://e/000000000000/stack-Queue",
		`!GetAtt Queue.Arn`:                                         "arn:aws:sqs:eu-central-1:000000000000:stack-Queue",
		`!GetAtt [Queue, QueueName]`:                                "stack-Queue",
		`{ 'Fn::GetAtt': [Queue, QueueUrl]}`:                        "http://e/000000000000/stack-Queue",
		`!GetAtt Named.QueueName`:                                   "stack-x",
		`!Sub '${Text}-${AWS::Region}-${Queue.Arn}'`:                "hello-eu-central-1-arn:aws:sqs:eu-central-1:000000000000:stack-Queue",
		`!Sub ['${Text} ${You}', { You: !Ref Number }]`:             "hello 007",
		`!Sub 'a ${!Literal} $ {x} ${Text}'`:                        "a ${Literal} $ {x} hello",
		`!Sub '${List}'`:                                            "a,b,c",
		`!Join ['-', [a, !Ref Text, !If [IsHello, c, d]]]`:          "a-hello-c",
		`!Join ['+', !Ref List]`:                                    "a+b+c",
		`!Join ['+', [a, !Ref AWS::NoValue]]`:                       "a",
		`!Select [1, !Ref List]`:                                    "b",
		`!Select ['2', !Split ['/', 'x/y/z']]`:                      "z",
		`!FindInMap [Sizes, !Ref AWS::Region, big]`:                 "2",
		`!If [IsHello, yes, no]`:                                    "yes",
		`!If [Both, both, other]`:                                   "both",
		`!If [Either, either, other]`:                               "either",
		`!If [Neither, neither, !If [IsEmpty, empty, full]]`:        "empty",
		`!If [IsHello, !Ref AWS::NoValue, x]`:                       "(absent)",
		`{ 'Fn::If': [Neither, !GetAtt Off.Arn, 'not evaluated'] }`: "not evaluated",
		`0600`: "0600",
		`true`: "true",
		`{ 'Fn::Join': ['', [{ 'Fn::Select': [0, { Ref: List }] }, z]] }`: "az",
	} {
		got, err := value(t, expression, template.Options{StackName: "stack", Endpoint: "http://e"})
		if err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", expression, got, err, want)
		}
	}
}

func TestExpressions_Refused(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`!GetAtt Off.Arn`:               "its condition is false",
		`!GetAtt Queue.Colour`:          "Colour of Queue (AWS::SQS::Queue) is not known",
		`!GetAtt Nothing.Arn`:           "there is no resource Nothing",
		`!Sub '${Nothing}'`:             "Ref Nothing",
		`!Sub '${Text'`:                 "has no end",
		`!Select [3, !Ref List]`:        "there is no item 3",
		`!FindInMap [Sizes, x, big]`:    "there is no Sizes.x",
		`!If [Unknown, a, b]`:           `no condition "Unknown"`,
		`!Equals [a, b]`:                "in Conditions only",
		`!Base64 x`:                     "Fn::Base64 can't be run here",
		`!Colour x`:                     "Colour is not a function",
		`!Join ['', [!Ref List]]`:       "joins texts only",
		`[a, b]`:                        "a text is wanted",
		`{ 'Fn::ImportValue': 'x-arn'}`: "Fn::ImportValue can't be run here",
	} {
		if _, err := value(t, expression, template.Options{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "resource F (AWS::Serverless::Function): property Environment") {
			t.Errorf("%s: %v\nshould say %q", expression, err, want)
		}
	}
}

func TestParameters_AreCheckedAsCloudFormationDoes(t *testing.T) {
	t.Parallel()
	const text = head + `
Parameters:
  Choice: { Type: String, Default: a, AllowedValues: [a, b] }
  Form: { Type: String, Default: ab, AllowedPattern: '[a-z]+', ConstraintDescription: letters only }
  Size: { Type: Number, Default: 5, MinValue: 1, MaxValue: 10 }
  Short: { Type: String, Default: abc, MinLength: 2, MaxLength: 4 }
  Ids: { Type: CommaDelimitedList, Default: '' }
Rules:
  Together:
    RuleCondition: !Equals [!Ref Choice, b]
    Assertions:
      - { Assert: !Not [!Equals [!Ref Size, '5']], AssertDescription: b needs another size }
Resources: { Q: { Type: AWS::SQS::Queue } }
`
	for _, c := range []struct {
		given map[string]string
		want  string
	}{
		{nil, ""},
		{map[string]string{"Choice": "b", "Size": "6"}, ""},
		{map[string]string{"Choice": "c"}, `parameter Choice: "c" is not one of a, b`},
		{map[string]string{"Form": "a1"}, "letters only"},
		{map[string]string{"Form": "x\nA"}, "letters only"},
		{map[string]string{"Size": "x"}, `"x" is not a number`},
		{map[string]string{"Size": "0"}, "0 is less than 1"},
		{map[string]string{"Size": "11"}, "11 is more than 10"},
		{map[string]string{"Short": "a"}, "shorter than 2"},
		{map[string]string{"Short": "abcde"}, "longer than 4"},
		{map[string]string{"Unknown": "x"}, "there is no parameter Unknown"},
		{map[string]string{"Choice": "b"}, "rule Together: b needs another size"},
	} {
		_, err := resolve(t, text, template.Options{Parameters: c.given})
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, should say %q", c.given, err, c.want)
		}
	}
}

func TestGlobals_AreMergedAsSAMDoes(t *testing.T) {
	t.Parallel()
	s, err := resolve(t, head+`
Globals:
  Function:
    Timeout: 7
    MemorySize: 256
    Environment: { Variables: { A: global, B: global } }
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: f, Timeout: 9, Environment: { Variables: { B: own, C: own } } }
`, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := s.Functions[0]
	if f.Timeout.Seconds() != 9 || f.MemoryMB != 256 {
		t.Errorf("%+v", f)
	}
	if diff := cmp.Diff(map[string]string{"A": "global", "B": "own", "C": "own"}, f.Environment); diff != "" {
		t.Error(diff)
	}
}

func TestIgnored_EachHasAReason(t *testing.T) {
	t.Parallel()
	d, err := template.Load(productTemplate)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Resolve(productOptions())
	if err != nil {
		t.Fatal(err)
	}
	whole := map[string]bool{}
	for _, i := range s.Ignored {
		if i.Why == "" {
			t.Errorf("%+v has no reason", i)
		}
		if i.Property == "" {
			whole[i.Type] = true
		}
	}
	for _, run := range []string{"AWS::Serverless::Function", "AWS::Serverless::HttpApi", "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::SecretsManager::Secret"} {
		if whole[run] {
			t.Errorf("%s is ignored", run)
		}
	}
}
