// Command awsmodel makes, from AWS's public service models, what the packages of the
// services are built on: a table for kinesis/model, and Go structs for its structures.
// It takes names, types and constraints over, and no text.
//
//	awsmodel -wheel botocore-1.44.8-py3-none-any.whl
//	awsmodel -table
//
// The first form reads the models out of the wheel of botocore, which is where AWS
// publishes them, and writes the tables and the structs. The second makes the structs
// again from the tables that are there. -top is the top of the repository. The same
// input makes the same files. `make models` fetches the wheel and runs the first form.
package main
