module github.com/millrace-io/millrace/tools/awsmodel

go 1.26.0

require github.com/millrace-io/millrace v0.0.0

replace github.com/millrace-io/millrace => ../..
