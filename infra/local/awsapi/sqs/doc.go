// Package sqs is an SQS server for one machine, over the AWS JSON 1.0 protocol: standard queues with visibility timeouts,
// delays, long polling, retention and redrive to a dead-letter queue.
//
// Open first; a *Server is an http.Handler for requests whose X-Amz-Target begins with AmazonSQS; Close ends long polls.
//
// A message is a file, written whole beside its place and renamed into it, so that a call that was answered survives the
// end of the process, kill -9 too, with its receive count and its visibility. Nothing is synced to the disk: a power cut may
// lose the last seconds, which a queue whose messages are doorbells bears. A process that dies while it moves a message to
// a dead-letter queue leaves it in exactly one of the two.
//
// What it does not have: FIFO queues, policies, tags, encryption with a key of one's own, redrive back from a dead-letter
// queue. Each is refused by its name.
package sqs
