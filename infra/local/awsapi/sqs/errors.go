package sqs

import (
	"fmt"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
)

// SQS once spoke the query protocol, and SDKs still show its codes, which come in a header. See "Error responses" of the
// AWS JSON protocol in the SQS developer guide.

func modeled(shape, queryCode, format string, args ...any) *awsjson.Error {
	return &awsjson.Error{Type: "com.amazonaws.sqs#" + shape, QueryCode: queryCode, Message: fmt.Sprintf(format, args...)}
}

const legacy = "AWS.SimpleQueueService."

func errNoQueue() error {
	return modeled("QueueDoesNotExist", legacy+"NonExistentQueue", "The specified queue does not exist.")
}

func errNameExists(attribute string) error {
	return modeled("QueueNameExists", "QueueAlreadyExists",
		"A queue already exists with the same name and a different value for attribute %s", attribute)
}

func errHandle(handle string) error {
	return modeled("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
}

func errNotInflight() error {
	return modeled("MessageNotInflight", legacy+"MessageNotInflight", "The message referred to is not in flight.")
}

func errAttributeName(name string) error {
	return modeled("InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute %s.", name)
}

func errAttributeValue(name string) error {
	return modeled("InvalidAttributeValue", "InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

func errContents() error {
	return modeled("InvalidMessageContents", "InvalidMessageContents", "Invalid characters found. Valid unicode characters are "+
		"#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
}

func unsupported(message string) error {
	return modeled("UnsupportedOperation", legacy+"UnsupportedOperation", "%s", message)
}

func invalidParameter(format string, args ...any) error {
	return &awsjson.Error{Type: "com.amazon.coral.service#InvalidParameterValueException", QueryCode: "InvalidParameterValue",
		Message: fmt.Sprintf(format, args...)}
}

func missingParameter(name string) error {
	return &awsjson.Error{Type: "com.amazon.coral.service#MissingRequiredParameterException", QueryCode: "MissingParameter",
		Message: "The request must contain the parameter " + name + "."}
}
