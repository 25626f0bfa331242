package protocol

import "github.com/millrace-io/millrace/protocol/fb"

var (
	helloShape   = newShape(field32, fieldString)
	welcomeShape = newShape(field32, fieldString, field32, field32)
)

// Hello opens a connection. It is the client's first message.
type Hello struct {
	// Version is the highest version of the protocol that the client speaks.
	Version uint32
	// Client names the program, for people who look at the server.
	Client string
}

// AppendTo appends the message to destination.
func (m Hello) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeHello, request, helloShape)
	e.set32(0, m.Version)
	e.setString(1, m.Client)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Hello) Parse(message Message) error {
	at, err := message.verify(TypeHello, helloShape)
	if err != nil {
		return err
	}
	var head fb.Hello
	head.Init(message.Head, at)
	*m = Hello{Version: head.Version(), Client: string(head.Client())}
	return nil
}

// Welcome accepts a connection and tells the limits that hold on it.
type Welcome struct {
	// Version is the one that both sides speak from here on.
	Version uint32
	// Server names the program and its release.
	Server string
	// BatchBytesMax is the largest batch that the server takes.
	BatchBytesMax uint32
	// InFlightMax is the most requests that may await their answers.
	InFlightMax uint32
}

// AppendTo appends the message to destination.
func (m Welcome) AppendTo(destination []byte, request uint32) []byte {
	e := beginHead(destination, TypeWelcome, request, welcomeShape)
	e.set32(0, m.Version)
	e.set32(2, m.BatchBytesMax)
	e.set32(3, m.InFlightMax)
	e.setString(1, m.Server)
	return e.end(0)
}

// Parse sets m from a received message.
func (m *Welcome) Parse(message Message) error {
	at, err := message.verify(TypeWelcome, welcomeShape)
	if err != nil {
		return err
	}
	var head fb.Welcome
	head.Init(message.Head, at)
	*m = Welcome{
		Version: head.Version(), Server: string(head.Server()),
		BatchBytesMax: head.BatchBytesMax(), InFlightMax: head.InFlightMax(),
	}
	return nil
}
