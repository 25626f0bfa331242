// Package data carries the data set of the demonstration inside the binary, so
// that it runs from a fresh clone without a network.
//
// The set is 250,000 flights inside the United States in order of departure.
// README.md beside this file says where it comes from and under which licence.
package data
