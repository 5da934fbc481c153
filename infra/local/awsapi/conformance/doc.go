// Package conformance holds what the product relies on in the AWS calls that it makes, as tests that run against any
// endpoint: our own server by default, or the one that CONFORMANCE_ENDPOINT names, such as http://127.0.0.1:5000. Where the
// other server is known to differ from AWS, CONFORMANCE_SERVER names it (moto) and the subtest is left out with the reason.
//
// moto.sh, two folders up, runs the tests of SQS and Secrets Manager against moto. Those of S3 are for our gateway and for S3
// itself: moto does not know CRC64NVME.
package conformance
