package template

import "time"

// Stack is a template made ready to run.
type Stack struct {
	Functions []Function
	APIs      []API
	Queues    []Queue
	Buckets   []Bucket
	Secrets   []Secret
	Schedules []Schedule
	Triggers  []Trigger
	// Ignored is what the template says and one machine has no use for, with the reason of each.
	Ignored []Ignored
}

// Ignored is a resource, or a property of one, that has no effect on one machine.
type Ignored struct {
	Resource string
	Type     string
	Property string // "" for the whole resource
	Why      string
}

// Function is a Lambda function.
type Function struct {
	ID          string // logical id
	Name        string
	Handler     string
	Package     string // the Go package to build, relative to the template's folder, such as ./functions/api
	Image       bool   // deployed as a container image; here the package of its build arguments runs as it is
	MemoryMB    int
	Timeout     time.Duration
	Environment map[string]string
	Reserved    *int // reserved concurrency; nil for none
	// AsyncRetries is how often a failed asynchronous invocation is repeated: 0 to 2.
	AsyncRetries int
	AsyncMaxAge  time.Duration
}

// API is an HTTP API.
type API struct {
	ID           string
	Authorizers  []Authorizer
	CORS         *CORS
	Routes       []Route
	DefaultBurst int     // requests; 0 for no limit
	DefaultRate  float64 // requests per second; 0 for no limit
}

// Authorizer is a JWT authorizer.
type Authorizer struct {
	Name     string
	Issuer   string
	Audience []string
	Scopes   []string
	Header   string // the request header that holds the token
}

// CORS is the API's own answer to browsers of other origins.
type CORS struct {
	AllowOrigins     []string
	AllowMethods     []string
	AllowHeaders     []string
	ExposeHeaders    []string
	MaxAge           int // seconds
	AllowCredentials bool
}

// Route is a route of an API.
type Route struct {
	API        string // logical id
	Function   string // logical id
	Event      string // the event's name in the function
	Method     string // upper case; ANY for all
	Path       string // with {name} and {name+}; $default for what nothing else takes
	Authorizer string // name; "" for an open route
	Scopes     []string
	Timeout    time.Duration
	Burst      int     // requests; 0 for no limit
	Rate       float64 // requests per second; 0 for no limit
}

// Key is the route as API Gateway writes it, such as "GET /api/me".
func (r Route) Key() string {
	if r.Path == DefaultRoute {
		return DefaultRoute
	}
	return r.Method + " " + r.Path
}

// DefaultRoute is the path of the route that takes what no other does.
const DefaultRoute = "$default"

// Queue is a standard SQS queue. The attributes are as the SQS API takes them.
type Queue struct {
	ID         string
	Name       string
	Attributes map[string]string
	// DeadLetters is the logical id of the dead-letter queue, "" for none; it is created first.
	DeadLetters string
}

// Bucket is an S3 bucket.
type Bucket struct {
	ID        string
	Name      string
	Versioned bool
	CORS      []BucketCORS
}

// BucketCORS is a rule of a bucket.
type BucketCORS struct {
	ID             string
	AllowedHeaders []string
	AllowedMethods []string
	AllowedOrigins []string
	ExposedHeaders []string
	MaxAge         int // seconds
}

// Secret is a secret of Secrets Manager.
type Secret struct {
	ID          string
	Name        string
	Description string
	Tags        map[string]string
	Value       *string   // SecretString
	Generate    *Generate // GenerateSecretString
}

// Generate says how a secret's first value is made.
type Generate struct {
	Template                 string // JSON object into which the value goes; "" for the value alone
	Key                      string
	Length                   int
	Exclude                  string
	NoPunctuation            bool
	NoUppercase, NoLowercase bool
	NoNumbers                bool
	Space                    bool
	RequireEachType          bool
}

// Schedule invokes a function by the clock.
type Schedule struct {
	ID         string // logical id of the schedule, or function id and event name
	Name       string
	Function   string // logical id
	Expression string // cron(…), rate(…) or at(…)
	TimeZone   string // IANA name
	Input      string // "" for the event that the scheduler makes
	Enabled    bool
	Start, End time.Time // zero for none
	Retries    int       // of an invocation that could not be handed to the function
}

// Trigger feeds a function from a queue.
type Trigger struct {
	ID             string // function id and event name
	Function       string // logical id
	Queue          string // logical id
	BatchSize      int
	Window         time.Duration // how long to collect a batch
	MaxConcurrency int           // 0 for no limit of its own
	ReportFailures bool          // ReportBatchItemFailures
	Enabled        bool
}
