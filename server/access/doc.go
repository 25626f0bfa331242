// Package access keeps access keys: the ids and secrets with which clients sign requests. They are
// documents of the store, and so as durable as the streams are and in every backup of the
// catalogue. Secrets are in it as they are, since a server must have them to verify a
// signature; the catalogue's file is readable by its owner only.
package access
