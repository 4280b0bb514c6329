package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Command is the resource that runs a command when it is created, updated and deleted.
type Command struct{}

// CommandInputs are the properties a program sets.
type CommandInputs struct {
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
	BaseInputs
}

// CommandState is the resource's state: the inputs and the output of the last run.
type CommandState struct {
	CommandInputs
	BaseOutputs
}

// Annotate gives the resource its description in the schema.
func (command *Command) Annotate(a infer.Annotator) {
	a.Describe(&command, "A command of this machine, run when the resource is created, changed or deleted. "+
		"One that ends with a status other than 0 fails that step.")
}

// Annotate gives the properties their descriptions in the schema.
func (inputs *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&inputs.Triggers, "Values of any type; a change of one replaces the resource.")
	a.Describe(&inputs.Create, "The command that creates the resource.")
	a.Describe(&inputs.Update, "The command for changed inputs. Default: create runs again.")
	a.Describe(&inputs.Delete, "The command that deletes the resource.")
}

// Create runs the create command, if there is one; a preview runs nothing.
func (*Command) Create(
	ctx context.Context, request infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandState], error) {
	state := CommandState{CommandInputs: request.Inputs}
	id, err := resource.NewUniqueHex(request.Name, 8, 0)
	if err == nil && !request.DryRun {
		err = state.run(ctx, request.Inputs.Create)
	}
	return infer.CreateResponse[CommandState]{ID: id, Output: state}, err
}

// Update runs the update command, or the create command if there is none; a preview runs nothing.
func (*Command) Update(
	ctx context.Context, request infer.UpdateRequest[CommandInputs, CommandState],
) (infer.UpdateResponse[CommandState], error) {
	state := CommandState{CommandInputs: request.Inputs, BaseOutputs: request.State.BaseOutputs}
	line := request.Inputs.Update
	if line == nil {
		line = request.Inputs.Create
	}
	var err error
	if !request.DryRun {
		err = state.run(ctx, line)
	}
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs the delete command from the state, if there is one.
func (*Command) Delete(ctx context.Context, request infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	state := request.State
	return infer.DeleteResponse{}, state.run(ctx, state.CommandInputs.Delete)
}

// run replaces the outputs with those of the command; without a command it changes nothing.
func (state *CommandState) run(ctx context.Context, line *string) error {
	if line == nil {
		return nil
	}
	outputs, err := execute(ctx, *line, state.BaseInputs, state.BaseOutputs)
	if err != nil {
		return err
	}
	state.BaseOutputs = outputs
	return nil
}
