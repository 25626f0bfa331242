package model

import (
	"strconv"
	"strings"
)

// path is where in a structure something is, as AWS's messages spell it:
// records.1.member.partitionKey.
type path []step

// step is a member, or an element of a list, counted from 1.
type step struct {
	name  string
	index int
}

func (p *path) push(name string) { *p = append(*p, step{name: name}) }
func (p *path) index(i int)      { *p = append(*p, step{index: i}) }
func (p *path) pop()             { *p = (*p)[:len(*p)-1] }

func (p path) String() string {
	var text strings.Builder
	for i, s := range p {
		if i > 0 {
			text.WriteByte('.')
		}
		if s.index > 0 {
			text.WriteString(strconv.Itoa(s.index))
			text.WriteString(".member")
		} else {
			text.WriteString(s.name)
		}
	}
	return text.String()
}
