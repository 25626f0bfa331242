package vfs

// Operation is the kind of a call to a file system. Simulated file systems
// report calls by it; the engine itself has no use for it.
type Operation uint8

// The operations of [FS] and [File].
const (
	OperationOpen Operation = iota
	OperationRemove
	OperationRename
	OperationMkdir
	OperationReadDir
	OperationSyncDir
	OperationLock
	OperationRead
	OperationWrite
	OperationSize
	OperationAllocate
	OperationPunchHole
	OperationSync
	OperationStartWriteback
	OperationDropCache
	OperationClose
	operationCount
)

var operationNames = [operationCount]string{
	"open", "remove", "rename", "mkdir", "readdir", "syncdir", "lock", "read", "write", "size",
	"allocate", "punch hole", "sync", "start writeback", "drop cache", "close",
}

func (o Operation) String() string {
	if o >= operationCount {
		return "unknown operation"
	}
	return operationNames[o]
}

// Operations returns all of them, for tests that go through each.
func Operations() []Operation {
	all := make([]Operation, operationCount)
	for i := range all {
		all[i] = Operation(i)
	}
	return all
}

// Call is one call to a file system.
type Call struct {
	Operation Operation
	// Name is the file or directory as the caller wrote it; of a rename, the
	// new name.
	Name string
	// Offset and Length say which bytes, where an operation has any. Of
	// Allocate, Length is the size asked for.
	Offset, Length int64
}
