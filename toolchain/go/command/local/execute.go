package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
)

// graceTime is how long a cancelled command may take to end before it is killed.
const graceTime = 5 * time.Second

// execute runs one command and returns its output. The error of a failed command contains the output of both streams, in
// order. A cancelled context ends the command and every process that it started.
func execute(ctx context.Context, line string, inputs BaseInputs, previous BaseOutputs) (BaseOutputs, error) {
	var stdout, stderr bytes.Buffer
	both := &sharedWriter{target: &bytes.Buffer{}}
	progress := &lineWriter{say: p.GetLogger(ctx).InfoStatus}

	if err := checkFolder(inputs.Dir); err != nil {
		return BaseOutputs{}, err
	}
	command := newCommand(ctx, line, inputs, previous)
	command.Stdout = writers(inputs.Logging.shows(LogStdout), progress, &stdout, both)
	command.Stderr = writers(inputs.Logging.shows(LogStderr), progress, &stderr, both)
	err := command.Run()
	if ctx.Err() != nil {
		_ = killGroup(command, syscall.SIGKILL)
	}
	progress.flush()

	outputs := BaseOutputs{
		Stdout: strings.TrimSuffix(stdout.String(), "\n"),
		Stderr: strings.TrimSuffix(stderr.String(), "\n"),
	}
	if err == nil {
		return outputs, nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("cancelled: %w", err)
	}
	return outputs, fmt.Errorf("%w: running %q:\n%s", err, line, both.target.String())
}

// checkFolder fails if the working directory does not exist: the system's error would name the interpreter instead.
func checkFolder(folder *string) error {
	if folder == nil {
		return nil
	}
	if facts, err := os.Stat(*folder); err != nil || !facts.IsDir() {
		return fmt.Errorf("dir %q is no folder; make it, or set dir to one that exists", *folder)
	}
	return nil
}

// newCommand prepares the process in its own group, so that a cancellation reaches its child processes.
func newCommand(ctx context.Context, line string, inputs BaseInputs, previous BaseOutputs) *exec.Cmd {
	words := []string{"/bin/sh", "-c"}
	if inputs.Interpreter != nil && len(*inputs.Interpreter) > 0 {
		words = append([]string{}, *inputs.Interpreter...)
	}
	words = append(words, line)
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Env = environment(inputs, previous)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = graceTime
	command.Cancel = func() error { return killGroup(command, syscall.SIGTERM) }
	if inputs.Dir != nil {
		command.Dir = *inputs.Dir
	}
	if inputs.Stdin != nil {
		command.Stdin = strings.NewReader(*inputs.Stdin)
	}
	return command
}

// environment is the provider's own, then the given variables, then the previous run's output.
func environment(inputs BaseInputs, previous BaseOutputs) []string {
	variables := os.Environ()
	if inputs.Environment != nil {
		for name, value := range *inputs.Environment {
			variables = append(variables, name+"="+value)
		}
	}
	if inputs.AddPreviousOutputInEnv != nil && !*inputs.AddPreviousOutputInEnv {
		return variables
	}
	if previous.Stdout != "" {
		variables = append(variables, "PULUMI_COMMAND_STDOUT="+previous.Stdout)
	}
	if previous.Stderr != "" {
		variables = append(variables, "PULUMI_COMMAND_STDERR="+previous.Stderr)
	}
	return variables
}

// killGroup sends a signal to the command's process group, if it was started.
func killGroup(command *exec.Cmd, signal syscall.Signal) error {
	if command.Process == nil {
		return nil
	}
	return syscall.Kill(-command.Process.Pid, signal)
}

// writers joins the writers of one stream; progress is one of them if the stream is logged.
func writers(shown bool, progress io.Writer, others ...io.Writer) io.Writer {
	if shown {
		others = append(others, progress)
	}
	return io.MultiWriter(others...)
}
