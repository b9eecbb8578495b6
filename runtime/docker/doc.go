// Package docker does each operation of a plan on a Docker engine. It is the only
// importer of github.com/docker/docker.
//
// The rule that shapes it: what an object is, and whose, is on the object. Names
// are made from the launch and the node, so a removal needs no memory of what a
// lost reply said; labels say who made it, so a removal never takes what is not
// ours.
package docker
