// The Linux half of Argo Workflows' package workflow/executor/osspecific.
//
// The module's archive on the Go module proxy lacks it: it has signal_darwin.go and signal_windows.go only, and argoexec
// does not compile without. The sandbox copies the module below target/, puts this file into the copy, and builds from
// there. It was written for this project, after what the callers in cmd/argoexec need.
package osspecific

import (
	"os"
	"syscall"

	"github.com/argoproj/argo-workflows/v4/util/errors"
)

// Term is the signal that asks a process to end.
var Term = syscall.SIGTERM

// CanIgnoreSignal says whether a signal is none to pass on: one about our own children, or the Go runtime's own.
func CanIgnoreSignal(s os.Signal) bool {
	return s == syscall.SIGCHLD || s == syscall.SIGURG
}

// Kill sends a signal to the process group of a process, or to the process alone if it has no group.
func Kill(pid int, s syscall.Signal) error {
	group, err := syscall.Getpgid(pid)
	if err != nil {
		return syscall.Kill(pid, s)
	}
	return syscall.Kill(-group, s)
}

// Setpgid makes a process to be started the leader of a new process group.
func Setpgid(attributes *syscall.SysProcAttr) {
	attributes.Setpgid = true
}

// Wait waits until the process has ended. The executor is process 1 of its container, so it reaps every other child too
// that ends meanwhile. A code other than 0, or 128 + signal, is an exit error.
func Wait(process *os.Process) error {
	pid := process.Pid
	if err := process.Release(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return err
		case ended != pid:
			continue
		case status.Exited():
			return errors.NewExitErr(status.ExitStatus())
		case status.Signaled():
			return errors.NewExitErr(128 + int(status.Signal()))
		}
	}
}
