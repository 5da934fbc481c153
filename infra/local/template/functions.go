package template

import (
	"fmt"
	"path"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Lambda's own limits, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
const (
	maxTimeout   = 900    // seconds
	minMemory    = 128    // MB
	maxMemory    = 10_240 // MB
	defaultLimit = 3      // seconds, of a function that names no timeout
)

func (b *builder) function(p *object, metadata *yaml.Node) {
	name, err := b.physicalName(p.id, p.typ)
	if err != nil {
		p.fail("FunctionName", err)
	}
	p.known["FunctionName"] = true
	f := Function{ID: p.id, Name: name, Handler: p.text("Handler", "bootstrap"), MemoryMB: p.integer("MemorySize", minMemory),
		AsyncRetries: 2, AsyncMaxAge: 6 * time.Hour}
	if f.MemoryMB < minMemory || f.MemoryMB > maxMemory {
		p.failf("MemorySize", "it is not within %d to %d MB", minMemory, maxMemory)
	}
	seconds := p.integer("Timeout", defaultLimit)
	if seconds < 1 || seconds > maxTimeout {
		p.failf("Timeout", "it is not within 1 to %d seconds", maxTimeout)
	}
	f.Timeout = time.Duration(seconds) * time.Second
	if env := p.object("Environment"); env != nil {
		f.Environment = env.textMap("Variables")
		env.done()
	}
	if p.has("ReservedConcurrentExecutions") {
		n := p.integer("ReservedConcurrentExecutions", 0)
		f.Reserved = &n
	}
	b.asyncConfig(p, &f)
	b.code(p, metadata, &f)
	keys, events := p.named("Events")
	for i, e := range events {
		b.event(f.ID, keys[i], e)
	}
	functionRest(p)
	b.stack.Functions = append(b.stack.Functions, f)
}

// functionRest takes the properties that need no work here.
func functionRest(p *object) {
	p.ignore(noIAM, "Policies", "Role", "RolePath", "PermissionsBoundary", "CodeSigningConfigArn")
	p.ignore(noKMS, "KmsKeyArn")
	p.ignore(noNet, "VpcConfig")
	p.ignore(noMonitor, "Tracing")
	p.ignore(noLogs, "LoggingConfig")
	p.ignore(noTags, "Tags", "PropagateTags", "Description")
	p.ignore("the binary is built for this machine", "Architectures")
	p.ignore("the disk of this machine is the limit", "EphemeralStorage")
	p.ignore("the newest build is the only version", "AutoPublishAlias", "AutoPublishAliasAllProperties", "AutoPublishCodeSha256",
		"DeploymentPreference", "VersionDescription")
	p.ignore("loops are for the developer to see", "RecursiveLoop")
	p.refuse("there are no layers or extensions on one machine", "Layers", "FileSystemConfigs", "SnapStart")
	p.refuse("functions are reached through the HTTP API, queues and schedules", "FunctionUrlConfig", "ProvisionedConcurrencyConfig")
	p.refuse("failed events are not kept here", "DeadLetterQueue")
	p.refuse("the code is built from CodeUri", "InlineCode", "ImageUri", "ImageConfig")
}

func (b *builder) asyncConfig(p *object, f *Function) {
	c := p.object("EventInvokeConfig")
	if c == nil {
		return
	}
	f.AsyncRetries = c.integer("MaximumRetryAttempts", 2)
	if f.AsyncRetries < 0 || f.AsyncRetries > 2 {
		c.failf("MaximumRetryAttempts", "it is not within 0 to 2")
	}
	f.AsyncMaxAge = time.Duration(c.integer("MaximumEventAgeInSeconds", 21_600)) * time.Second
	c.refuse("results of asynchronous invocations are not kept here", "DestinationConfig")
	c.done()
}

// code finds the Go package of a function.
func (b *builder) code(p *object, metadata *yaml.Node, f *Function) {
	m := b.mapping(p.id, p.typ, "Metadata.", metadata)
	if m == nil {
		m = b.mapping(p.id, p.typ, "Metadata.", nil)
	}
	switch kind := p.text("PackageType", "Zip"); kind {
	case "Zip":
		uri := p.text("CodeUri", "")
		if uri == "" {
			p.failf("CodeUri", "it is missing")
		}
		f.Package = "./" + path.Clean(uri)
		p.only("Runtime", "not what Go binaries run on", "provided.al2023", "provided.al2")
		m.only("BuildMethod", "not how Go is built", "go1.x", "makefile")
		m.ignore("the local build uses the same flags for every function", "BuildProperties")
	case "Image":
		f.Image = true
		p.known["CodeUri"] = true
		p.refuse("a container image brings its own", "Runtime", "Handler")
		f.Package = imagePackage(m)
	default:
		p.failf("PackageType", "%s is neither Zip nor Image", kind)
	}
	if strings.HasPrefix(f.Package, "./..") || strings.HasPrefix(f.Package, ".//") {
		p.failf("CodeUri", "%s is not inside the repository", f.Package)
	}
	m.done()
}

// imagePackage is the package that a container image's build arguments name: here that package is built for this machine
// instead of an image.
func imagePackage(m *object) string {
	m.ignore("no image is built: the package of DockerBuildArgs runs as it is", "DockerContext", "Dockerfile", "DockerTag", "DockerBuildTarget")
	args := m.textMap("DockerBuildArgs")
	pkg := args["PACKAGE"]
	if pkg == "" {
		m.failf("DockerBuildArgs", "PACKAGE is missing: it names the Go package that the image runs")
		return ""
	}
	return fmt.Sprintf("./%s", path.Clean(pkg))
}
