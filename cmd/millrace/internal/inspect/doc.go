// Package inspect shows what the files of a data directory hold, without
// changing them.
//
// Everything is opened read-only and takes no lock, so a live writer may be at
// work in the same directory: what it is writing at that moment shows as a torn
// tail or as a segment that grew meanwhile. Findings are handed out one by one
// as values with a kind and a JSON form, which is the format of the output. A
// tool for damaged files shows what recovery would refuse.
package inspect
