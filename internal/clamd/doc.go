// Package clamd is document.Scanner by ClamAV's daemon clamd: the content goes over a socket (command INSTREAM), so that
// clamd needs neither the file nor the object store, and may run on another machine.
//
// The protocol is four lines long, which is why it is written here and not taken from a module: what matters is what a
// module would decide for us. Only the one answer that says so makes a content clean; an answer that is cut off, unknown
// or late is none. No read or write waits without end, and a content is never in memory but for one chunk.
package clamd
