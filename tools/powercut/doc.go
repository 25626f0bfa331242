// Package powercut mounts a disk that can lose power, so that real processes
// with real mappings can be tested against it.
//
// [Mount] serves a crashfs.FS to the kernel as a FUSE file system. Everything a
// process does to the files goes through the kernel's page cache and ends in
// that simulated disk, which keeps what no sync has covered apart from what is
// durable. [Disk.Cut] ends the disk's life: from then on every request fails,
// and what is left is one of the states in which a power cut could have left
// it. The process is then killed, and the survivor mounted for the next one.
//
//	disk, err := powercut.Mount(dir, crashfs.New(crashfs.Options{}), powercut.Options{})
//	... start a process on dir, let it work ...
//	survivor := disk.Cut(random)
//	... kill the process ...
//	err = disk.Unmount()
//	disk, err = powercut.Mount(dir, survivor, powercut.Options{})
//
// [Disk.SetFault] makes chosen requests fail, wait, or be acknowledged without
// being carried out.
//
// It is a module of its own, because the product must not depend on FUSE.
//
// # Coherence
//
// The engine writes with pwrite and reads through a mapping. Both meet in the
// kernel's page cache, because direct I/O and passthrough are off: files are
// never opened with FOPEN_DIRECT_IO, and no file offers a descriptor for
// passthrough, which would let mapped pages by-pass this package. Without the
// write-back cache a pwrite updates the cached page and then sends the request
// before it returns. With Options.WriteBack it only dirties the page; a sync,
// or the kernel when it likes, sends it. Mapped stores always wait for a sync.
// In both modes the tests read every record through a mapping and find what was
// written.
//
// # Caveats
//
// A process must not use files of a disk that it serves itself: a page fault
// would hold the very thread that has to answer it. Mounting needs root and
// /dev/fuse.
package powercut
