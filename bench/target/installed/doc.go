// Package installed finds the programs of peers that bench/peers/install.sh has
// installed, and says what to do about those that are not there.
package installed
