// Command pulumi-resource-docker serves the Docker resources of Pulumi on machines that reach only package registries.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/terraform-providers/terraform-provider-docker/pulumi/provider"
)

//go:generate sh -c "CGO_ENABLED=0 go run -trimpath -tags no_compose ./schema >schema.json.new && mv schema.json.new schema.json"

//go:embed schema.json
var schema []byte

func main() {
	tfbridge.Main("docker", provider.Version, provider.Info(), schema)
}
