// Command pulumi-resource-command serves the local half of Pulumi's command provider.
//
// It replaces the official plugin on machines that reach only package registries: the resource
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

// version is the version of the official provider that this one replaces; the linker sets it.
var version = "0.0.1"

func main() {
	if err := p.RunProvider(context.Background(), "command", version, newProvider()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newProvider lists the resource and the function. Their Pulumi module, local, is named after the Go package.
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
