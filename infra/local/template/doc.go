// Package template reads template.yaml, the SAM template that deploys the product, into a model that can be run on one
// machine: functions, the HTTP API with its routes, queues, buckets, secrets, schedules and queue triggers.
//
// [Parse] reads the text, [Document.Resolve] gives the model. Every resource type and every property is either part of the
// model, or on a list of what has no effect on one machine (with the reason: see [Stack].Ignored), or an error that names
// both. Nothing is skipped in silence: a template that works here and does something else when deployed is what this
// package exists to prevent.
package template
