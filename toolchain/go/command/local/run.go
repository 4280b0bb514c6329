package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Run is the function that runs a command each time the program runs, in a preview too.
type Run struct{}

// RunInputs are the arguments of the function.
type RunInputs struct {
	Command string `pulumi:"command"`
	BaseInputs
}

// RunOutputs is the result of the function: its arguments and the command's output.
type RunOutputs struct {
	RunInputs
	BaseOutputs
}

// Annotate gives the function its description in the schema.
func (run *Run) Annotate(a infer.Annotator) {
	a.Describe(&run, "Runs a command of this machine on every preview and every deployment.")
}

// Annotate gives the argument its description in the schema.
func (inputs *RunInputs) Annotate(a infer.Annotator) {
	a.Describe(&inputs.Command, "The command to run.")
}

// Invoke runs the command; it fails if the exit status is not 0.
func (*Run) Invoke(
	ctx context.Context, request infer.FunctionRequest[RunInputs],
) (infer.FunctionResponse[RunOutputs], error) {
	outputs, err := execute(ctx, request.Input.Command, request.Input.BaseInputs, BaseOutputs{})
	return infer.FunctionResponse[RunOutputs]{
		Output: RunOutputs{RunInputs: request.Input, BaseOutputs: outputs},
	}, err
}
