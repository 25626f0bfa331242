// Package measure collects the latencies that put and demo print.
package measure
