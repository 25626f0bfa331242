// Package companion answers the few requests that clients of Kinesis send to other services
// of AWS at the same address: STS GetCallerIdentity, without which the producer library
// and Terraform do not start, and CloudWatch PutMetricData, which they send all the time.
package companion
