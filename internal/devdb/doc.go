// Package devdb runs the private PostgreSQL cluster of `dossier dev` and of the tests, from the machine's own PostgreSQL
// (15 or newer). It knows processes, directories and users; it must not know Dossier's tables, migrations or settings.
//
// # Where things are
//
// Config.Dir holds everything: data (the cluster), run (the socket), log, and lock. PostgreSQL listens on a unix socket
// in a 0700 directory and nowhere else; whoever may enter that directory is the superuser "postgres", so the directory is
// the password. When the socket's path would be too long for the kernel, the socket is in a short 0700 directory below
// os.TempDir.
//
// # Who owns the cluster
//
// The first process that calls Start owns the cluster: it holds a lock on the file "lock" and PostgreSQL is its child.
// A later Start on the same Dir attaches: Attached is true, and its Stop does nothing. The cluster ends with its owner.
// When the owner stops, attached processes lose their connections; Wait tells them, and when they call Start again one of
// them becomes the owner. (The alternative, an owner that lingers until the last guest has left, would make Ctrl-C look
// broken.)
//
// On Linux PostgreSQL gets SIGINT, its fast shutdown, when the owner dies in whatever way (Pdeathsig). Elsewhere a killed
// owner leaves PostgreSQL running; the next Start takes the data over by stopping it first.
//
// # Root
//
// PostgreSQL refuses to run as root. As root, Start runs it as the owner of the existing data, else as "postgres", else as
// "nobody", and gives that user Dir. That user must be able to reach Dir; see Config.Elsewhere.
package devdb
