// Package device measures what the storage under a directory costs by itself,
// so that every figure of a durable store can be read beside it.
package device
