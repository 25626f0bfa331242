package powercut

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/millrace-io/millrace/internal/vfs"
)

const (
	fileMode = syscall.S_IFREG | 0o644
	dirMode  = syscall.S_IFDIR | 0o755
	// openFlags let the kernel keep what it has cached of a file when it is
	// opened again; without direct I/O, so that mappings are coherent.
	openFlags = fuse.FOPEN_KEEP_CACHE
)

// node is a file or a directory. A file is held open while the kernel knows it,
// so that it outlives its name as files do.
type node struct {
	fs.Inode
	disk *Disk
	file vfs.File // nil: a directory
}

var (
	_ fs.NodeLookuper    = (*node)(nil)
	_ fs.NodeCreater     = (*node)(nil)
	_ fs.NodeMkdirer     = (*node)(nil)
	_ fs.NodeUnlinker    = (*node)(nil)
	_ fs.NodeRmdirer     = (*node)(nil)
	_ fs.NodeRenamer     = (*node)(nil)
	_ fs.NodeReaddirer   = (*node)(nil)
	_ fs.NodeGetattrer   = (*node)(nil)
	_ fs.NodeSetattrer   = (*node)(nil)
	_ fs.NodeOpener      = (*node)(nil)
	_ fs.NodeReader      = (*node)(nil)
	_ fs.NodeWriter      = (*node)(nil)
	_ fs.NodeFsyncer     = (*node)(nil)
	_ fs.NodeAllocater   = (*node)(nil)
	_ fs.NodeOnForgetter = (*node)(nil)
)

func (n *node) name() string             { return "/" + n.Path(nil) }
func (n *node) child(name string) string { return path.Join(n.name(), name) }

// OnForget implements fs.NodeOnForgetter.
func (n *node) OnForget() {
	if n.file != nil {
		_ = n.file.Close() // of a disk that may be gone
	}
}

// attributes describes the node.
func (n *node) attributes(out *fuse.Attr) syscall.Errno {
	out.Nlink = 1
	if n.file == nil {
		out.Mode = dirMode
		return 0
	}
	size, err := n.file.Size()
	out.Mode, out.Size, out.Blocks, out.Blksize = fileMode, uint64(size), uint64(size+511)/512, 4096
	return n.disk.answer(err)
}

// adopt makes the node of a file or, with nil, of a directory.
func (n *node) adopt(ctx context.Context, file vfs.File, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	made := &node{disk: n.disk, file: file}
	mode := uint32(syscall.S_IFDIR)
	if file != nil {
		mode = syscall.S_IFREG
	}
	return n.NewInode(ctx, made, fs.StableAttr{Mode: mode}), made.attributes(&out.Attr)
}

// Lookup implements fs.NodeLookuper. One file has one node, or its pages would
// be cached twice.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if known := n.GetChild(name); known != nil {
		return known, known.Operations().(*node).attributes(&out.Attr)
	}
	file, err := n.disk.files.OpenFile(n.child(name), os.O_RDWR, 0)
	if errors.Is(err, syscall.EISDIR) {
		file, err = nil, nil
	}
	if errno := n.disk.answer(err); errno != 0 {
		return nil, errno
	}
	return n.adopt(ctx, file, out)
}

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	var file vfs.File
	errno := n.disk.change(vfs.OperationOpen, n.child(name), func() (err error) {
		file, err = n.disk.files.OpenFile(n.child(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0)
		return err
	})
	if errno != 0 {
		return nil, nil, 0, errno
	}
	made, errno := n.adopt(ctx, file, out)
	return made, nil, openFlags, errno
}

// Mkdir implements fs.NodeMkdirer.
func (n *node) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	errno := n.disk.change(vfs.OperationMkdir, n.child(name), func() error { return n.disk.files.MkdirAll(n.child(name), 0) })
	if errno != 0 {
		return nil, errno
	}
	return n.adopt(ctx, nil, out)
}

// Unlink implements fs.NodeUnlinker.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.disk.change(vfs.OperationRemove, n.child(name), func() error { return n.disk.files.Remove(n.child(name)) })
}

// Rmdir implements fs.NodeRmdirer.
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno { return n.Unlink(ctx, name) }

// Rename implements fs.NodeRenamer.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	from, final := n.child(name), to.(*node).child(newName)
	return n.disk.change(vfs.OperationRename, final, func() error { return n.disk.files.Rename(from, final) })
}

// Readdir implements fs.NodeReaddirer.
func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	names, err := n.disk.files.ReadDir(n.name())
	if errno := n.disk.answer(err); errno != 0 {
		return nil, errno
	}
	entries := make([]fuse.DirEntry, 0, len(names))
	for _, name := range names {
		entry := fuse.DirEntry{Name: name, Mode: fileMode}
		if _, err := n.disk.files.ReadDir(n.child(name)); err == nil {
			entry.Mode = dirMode
		}
		entries = append(entries, entry)
	}
	return fs.NewListDirStream(entries), 0
}

// Getattr implements fs.NodeGetattrer.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.attributes(&out.Attr)
}

// Setattr implements fs.NodeSetattrer for lengths: a file is emptied or grows.
// Times and permissions are not kept.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, asked := in.GetSize(); asked && n.file != nil {
		if errno := n.resize(int64(size)); errno != 0 {
			return errno
		}
	}
	return n.attributes(&out.Attr)
}

func (n *node) resize(size int64) syscall.Errno {
	now, err := n.file.Size()
	switch {
	case err != nil:
		return n.disk.answer(err)
	case size == now:
		return 0
	case size > now:
		return n.disk.change(vfs.OperationAllocate, n.name(), func() error { return n.file.Allocate(size) })
	case size > 0:
		return syscall.ENOTSUP // nothing that is tested here cuts a file
	}
	return n.disk.change(vfs.OperationOpen, n.name(), func() error {
		emptied, err := n.disk.files.OpenFile(n.name(), os.O_RDWR|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		return emptied.Close()
	})
}

// Open implements fs.NodeOpener.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, openFlags, n.disk.answer(nil)
}

// Read implements fs.NodeReader.
func (n *node) Read(_ context.Context, _ fs.FileHandle, b []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	got, err := n.file.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return fuse.ReadResultData(b[:got]), n.disk.answer(err)
}

// Write implements fs.NodeWriter.
func (n *node) Write(_ context.Context, _ fs.FileHandle, b []byte, off int64) (uint32, syscall.Errno) {
	written := 0
	errno := n.disk.change(vfs.OperationWrite, n.name(), func() (err error) {
		written, err = n.file.WriteAt(b, off)
		return err
	})
	return uint32(written), errno
}

// Fsync implements fs.NodeFsyncer, for files and directories.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if n.file == nil {
		return n.disk.change(vfs.OperationSyncDir, n.name(), func() error { return n.disk.files.SyncDir(n.name()) })
	}
	return n.disk.change(vfs.OperationSync, n.name(), n.file.Sync)
}

// Allocate implements fs.NodeAllocater.
func (n *node) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	const punch = 0x02 // FALLOC_FL_PUNCH_HOLE
	if mode&punch != 0 {
		return n.disk.change(vfs.OperationPunchHole, n.name(), func() error { return n.file.PunchHole(int64(off), int64(size)) })
	}
	return n.disk.change(vfs.OperationAllocate, n.name(), func() error { return n.file.Allocate(int64(off + size)) })
}
