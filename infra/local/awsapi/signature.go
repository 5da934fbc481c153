package awsapi

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
)

// maxSignedBody is the longest body of the JSON services, in bytes: SQS takes 1 MiB, which JSON can make six times longer.
const maxSignedBody = 8 << 20

// maxClockSkew is how far a request's time may be from ours: as AWS.
const maxClockSkew = 5 * time.Minute

// signed lets through what is signed with our key by Signature Version 4, as SDKs sign the JSON services: a POST to / with
// its body hashed. (The S3 gateway checks its own signatures, which have more forms.)
func signed(accessKey, secretKey string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSignedBody))
		if err != nil {
			awsjson.WriteError(w, r.Header.Get("Content-Type"), &awsjson.Error{Status: http.StatusRequestEntityTooLarge,
				Type: "RequestTooLarge", Message: "The request is too long or was cut."})
			return
		}
		if e := checkSignature(r, body, accessKey, secretKey, time.Now()); e != nil {
			awsjson.WriteError(w, r.Header.Get("Content-Type"), e)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func checkSignature(r *http.Request, body []byte, accessKey, secretKey string, now time.Time) *awsjson.Error {
	const algorithm = "AWS4-HMAC-SHA256"
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm+" ")
	if !ok {
		return &awsjson.Error{Type: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	}
	var credential, headers, signature string
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			headers = value
		case "Signature":
			signature = value
		}
	}
	scope := strings.Split(credential, "/") // key, date, region, service, aws4_request
	names := strings.Split(headers, ";")
	if len(scope) != 5 || signature == "" || !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-target") {
		return &awsjson.Error{Type: "IncompleteSignatureException",
			Message: "Authorization needs Credential, SignedHeaders with host and x-amz-target, and Signature."}
	}
	if scope[0] != accessKey {
		return &awsjson.Error{Type: "UnrecognizedClientException",
			Message: "The security token included in the request is invalid. (This machine's access key is " + accessKey + ".)"}
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	if err != nil || now.Sub(at).Abs() > maxClockSkew || !strings.HasPrefix(date, scope[1]) {
		return &awsjson.Error{Type: "InvalidSignatureException", Message: "Signature expired or X-Amz-Date is wrong: " + date}
	}
	toSign := strings.Join([]string{algorithm, date, strings.Join(scope[1:], "/"), hash([]byte(canonical(r, names, body)))}, "\n")
	key := []byte("AWS4" + secretKey)
	for _, part := range append(scope[1:], toSign) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(key)), []byte(signature)) {
		return &awsjson.Error{Type: "InvalidSignatureException", Message: "The request signature we calculated does not match the " +
			"signature you provided. Check your AWS Secret Access Key and signing method."}
	}
	return nil
}

// canonical is the request in the form that is signed.
func canonical(r *http.Request, names []string, body []byte) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.URL.EscapedPath() + "\n" + r.URL.RawQuery + "\n")
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length": // which net/http takes out of the headers
			value = r.Header.Get("Content-Length")
			if value == "" {
				value = strconv.FormatInt(r.ContentLength, 10)
			}
		}
		b.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	b.WriteString("\n" + strings.Join(names, ";") + "\n" + hash(body))
	return b.String()
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
