// Package lines turns text into records and records into text, for the pipes
// of put, get and tail.
//
// A [Reader] reads one record a line, either plain text with a rule for finding
// the partition key or a JSON object with the members key, data and hash. A
// [Format] prints records by a template such as "%k %v\n", and [AppendJSON] as
// JSON Lines. What a Reader reads as JSON, AppendJSON prints, and the reverse.
package lines
