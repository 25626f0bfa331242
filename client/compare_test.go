package client_test

import "github.com/google/go-cmp/cmp/cmpopts"

// equateEmpty lets nil and empty slices be the same.
var equateEmpty = cmpopts.EquateEmpty()
