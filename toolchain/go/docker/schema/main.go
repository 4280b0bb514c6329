// Command schema writes Pulumi's schema of the Docker provider to standard output. The plugin embeds the result,
// because generating it at start would take longer than everything else.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/terraform-providers/terraform-provider-docker/pulumi/provider"
)

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write generates the schema, without descriptions: they would need the Terraform provider's documentation.
func write(target io.Writer) error {
	result, err := tfgen.GenerateSchemaWithOptions(tfgen.GenerateSchemaOptions{
		ProviderInfo:    provider.Info(),
		DiagnosticsSink: diag.DefaultSink(io.Discard, io.Discard, diag.FormatOptions{Color: colors.Never}),
		XInMemoryDocs:   true,
	})
	if err != nil {
		return fmt.Errorf("the schema of the Docker provider cannot be made: %w", err)
	}
	encoder := json.NewEncoder(target)
	encoder.SetIndent("", " ")
	return encoder.Encode(result.PackageSpec)
}
