// Package model knows the shapes of AWS's services: what an operation takes and
// returns, what each member must satisfy, and how a document is read into a Go struct,
// checked and written by that knowledge. It does not know what a shape means.
//
// A service is one table of text, made from AWS's public model by tools/awsmodel and
// compiled into the program that serves it. [Parse] reads the table; [Bind] pairs one
// structure of it with one Go struct, once, at start, and fails if they disagree. The
// [Plan] that it returns decodes, validates and encodes without looking at names again.
//
// # The table
//
// A table is lines of text. A line is a word that says what it declares, a name, and
// attributes of the form key=value or a bare word, separated by single spaces. Members
// follow the structure that they belong to, each indented by one tab. Empty lines and
// lines that begin with # say nothing.
//
//	service Kinesis version=2013-12-02 protocol=json json=1.1 target=Kinesis_20131202
//	operation PutRecord in=PutRecordInput out=PutRecordOutput errors=InvalidArgumentException,...
//	error InvalidArgumentException status=400
//		message ErrorMessage
//	structure PutRecordInput
//		StreamName StreamName
//		Data! Data
//	string StreamName min=1 max=128 pattern=[a-zA-Z0-9_.-]+
//	string StreamMode enum=PROVISIONED,ON_DEMAND
//	blob Data min=0 max=10485760
//	list TagKeyList of=TagKey min=1 max=50
//	map TagMap key=TagKey value=TagValue min=1 max=200
//
// service comes first. Its attributes are version, the date of the API; protocol, which
// is json or rest-json; json, the version in the media type application/x-amz-json-1.1;
// and target, what stands before the operation in the header X-Amz-Target.
//
// operation has in and out, the structures that it takes and returns, if any, and
// errors. One with a path of its own has method and path; path templates are AWS's.
//
// structure and error have members, in AWS's order: the name, ! if it is required, and
// the name of its shape. A member that is called otherwise in documents has name=; one
// that is not in the body has in=uri, in=querystring, in=header, in=headers or
// in=statusCode. A structure may have the attributes event and eventstream, and payload=,
// the member that is the body. error has the status of its answer and fault if the
// server is to blame; code= is its name in documents if that differs.
//
// string, blob, integer, long, float, double, boolean and timestamp have min and max:
// bounds of the length in characters or bytes, or of the value. A string may have
// sensitive and one of enum, values between commas, and pattern, which comes last and
// reaches to the end of the line; it is AWS's, and all of the value must match it.
// A blob may be streaming, a timestamp have format=.
//
// list has of, the shape of its elements, map has key and value; min and max bound the
// number of elements.
package model
