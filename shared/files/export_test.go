package files

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// Quick is New with short pauses, and with the patience that a busy machine needs.
func Quick(client *s3.Client, bucket string, o Options) *Store {
	return quick(client, bucket, o, 30*time.Second)
}

// Brief is Quick for an outage for good.
func Brief(client *s3.Client, bucket string, o Options) *Store {
	return quick(client, bucket, o, time.Second)
}

func quick(client *s3.Client, bucket string, o Options, patience time.Duration) *Store {
	s := New(client, bucket, o)
	s.call = s3call.Policy{Patience: patience, Attempt: min(patience, 10*time.Second), MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond}
	s.part, s.end = s.call, s.call
	s.call.Patience, s.call.Attempt = 10*time.Second, 10*time.Second
	s.read = 500 * time.Millisecond
	return s
}

// PartSizeOf is the size of part n, and the number of its kind that memory has room for.
func (s *Store) PartSizeOf(n int) (size, buffers int64) {
	size = s.partSize(n)
	return size, s.memory() / s.weight(size)
}

// SpoilChecksum and SpoilLength make a writer take what it wrote for something else than what S3 got.
func SpoilChecksum(f backup.FileWriter) { _, _ = f.(*writer).crc.Write([]byte{0}) }

// SpoilLength is as SpoilChecksum.
func SpoilLength(f backup.FileWriter) { f.(*writer).size++ }

// Attachment is attachment.
var Attachment = attachment
