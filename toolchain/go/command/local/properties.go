// Package local has the resource and the function that run commands on this machine.
package local

import "github.com/pulumi/pulumi-go-provider/infer"

// BaseInputs are the inputs that the resource and the function share.
type BaseInputs struct {
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
}

// Annotate gives the properties their descriptions in the schema.
func (inputs *BaseInputs) Annotate(a infer.Annotator) {
	a.Describe(&inputs.Stdin, "Text passed to the command as its standard input.")
	a.Describe(&inputs.Logging, "Which of the command's streams are shown while it runs; both by default. "+
		"The outputs stdout and stderr are captured in any case.")
	a.Describe(&inputs.Interpreter, `The program and the arguments before the command; ["/bin/sh", "-c"] by default.`)
	a.Describe(&inputs.Dir, "The folder the command runs in, the program's own by default. It must exist.")
	a.Describe(&inputs.Environment, "Environment variables added to those of the provider.")
	a.Describe(&inputs.AddPreviousOutputInEnv, "Whether an update or a deletion finds the output of the run before it in "+
		"PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR; true by default.")
}

// BaseOutputs is a command's output, each stream without its last line end.
type BaseOutputs struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate gives the properties their descriptions in the schema.
func (outputs *BaseOutputs) Annotate(a infer.Annotator) {
	a.Describe(&outputs.Stdout, "The standard output of the command.")
	a.Describe(&outputs.Stderr, "The standard error of the command.")
}

// Logging selects the streams that are logged while a command runs.
type Logging string

// The allowed values of Logging.
const (
	LogStdout          Logging = "stdout"
	LogStderr          Logging = "stderr"
	LogStdoutAndStderr Logging = "stdoutAndStderr"
	LogNothing         Logging = "none"
)

// Values lists the allowed values for the schema and for the check of inputs.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: string(LogStdout), Value: LogStdout, Description: "Show standard output only."},
		{Name: string(LogStderr), Value: LogStderr, Description: "Show standard error only."},
		{Name: string(LogStdoutAndStderr), Value: LogStdoutAndStderr, Description: "Show both streams."},
		{Name: string(LogNothing), Value: LogNothing, Description: "Show nothing."},
	}
}

// shows reports whether a stream, LogStdout or LogStderr, is logged. Default: both.
func (logging *Logging) shows(stream Logging) bool {
	return logging == nil || *logging == stream || *logging == LogStdoutAndStderr
}
