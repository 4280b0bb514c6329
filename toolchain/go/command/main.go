// Command pulumi-resource-command serves the local half of Pulumi's command provider.
//
// It stands in for the official plugin on machines that reach only package registries: the resource
// command:local:Command and the function command:local:run, with the official names, properties and behaviour.
package main

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"

	"cp-whisperx.local/toolchain/command/local"
)

// version is set by the linker to the version of the official provider that this one stands in for.
var version = "0.0.1"

func main() {
	if err := p.RunProvider(context.Background(), "command", version, newProvider()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newProvider lists what the provider serves. The package local, below this one, gives the module its name.
func newProvider() p.Provider {
	return infer.Provider(infer.Options{
		Metadata: schema.Metadata{
			DisplayName: "Command",
			Description: "Runs commands on this machine as part of a deployment.",
		},
		Resources: []infer.InferredResource{infer.Resource(&local.Command{})},
		Functions: []infer.InferredFunction{infer.Function(&local.Run{})},
	})
}
