package local

import (
	"bytes"
	"sync"
)

// sharedWriter lets the two streams of a command write into one buffer.
type sharedWriter struct {
	mutex  sync.Mutex
	target *bytes.Buffer
}

func (writer *sharedWriter) Write(data []byte) (int, error) {
	writer.mutex.Lock()
	defer writer.mutex.Unlock()
	return writer.target.Write(data)
}

// lineWriter logs each line, of any length, as soon as it is complete.
type lineWriter struct {
	mutex sync.Mutex
	rest  []byte
	say   func(string)
}

func (writer *lineWriter) Write(data []byte) (int, error) {
	writer.mutex.Lock()
	defer writer.mutex.Unlock()
	writer.rest = append(writer.rest, data...)
	for {
		end := bytes.IndexByte(writer.rest, '\n')
		if end < 0 {
			return len(data), nil
		}
		writer.say(string(writer.rest[:end]))
		writer.rest = writer.rest[end+1:]
	}
}

// flush logs a last line that has no line end.
func (writer *lineWriter) flush() {
	writer.mutex.Lock()
	defer writer.mutex.Unlock()
	if len(writer.rest) > 0 {
		writer.say(string(writer.rest))
		writer.rest = nil
	}
}
