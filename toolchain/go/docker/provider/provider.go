// Package provider describes the Docker resources of Pulumi: the Terraform provider for Docker behind Pulumi's bridge,
// with the names of the official plugin. Its module lies below the Terraform provider's own path because Go lets only
// such modules import that provider's internal package.
package provider

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	docker "github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// Version is the version of the official plugin that this provider replaces.
const Version = "5.2.0"

// longestName is Docker's limit for names that Pulumi generates.
const longestName = 255

// Info maps Terraform's resources and data sources to Pulumi's.
func Info() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:           shim.NewProvider(docker.New(Version)()),
		Name:        "docker",
		Version:     Version,
		Config:      configuration(),
		Resources:   resources(),
		DataSources: functions(),
	}
	info.SetAutonaming(longestName, "-")
	return info
}

func configuration() map[string]*tfbridge.SchemaInfo {
	return map[string]*tfbridge.SchemaInfo{
		"host": {Default: &tfbridge.DefaultInfo{
			EnvVars: []string{"DOCKER_HOST"}, Value: "unix:///var/run/docker.sock",
		}},
		"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
	}
}

func resources() map[string]*tfbridge.ResourceInfo {
	named := map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}}
	return map[string]*tfbridge.ResourceInfo{
		"docker_container": {
			Tok:                 resource("Container"),
			DeleteBeforeReplace: true,
			Fields: map[string]*tfbridge.SchemaInfo{
				"command":           {Name: "command"},
				"networks_advanced": {Name: "networksAdvanced"},
			},
		},
		"docker_image":          {Tok: resource("RemoteImage"), Fields: named},
		"docker_registry_image": {Tok: resource("RegistryImage"), Fields: named},
		"docker_network":        {Tok: resource("Network")},
		"docker_volume":         {Tok: resource("Volume")},
		"docker_service":        {Tok: resource("Service")},
		"docker_secret":         {Tok: resource("Secret")},
		"docker_config":         {Tok: resource("ServiceConfig")},
		"docker_plugin":         {Tok: resource("Plugin")},
		"docker_tag":            {Tok: resource("Tag")},
		"docker_buildx_builder": {Tok: resource("BuildxBuilder")},
	}
}

func functions() map[string]*tfbridge.DataSourceInfo {
	return map[string]*tfbridge.DataSourceInfo{
		"docker_image":                    {Tok: function("getRemoteImage")},
		"docker_logs":                     {Tok: function("getLogs")},
		"docker_network":                  {Tok: function("getNetwork")},
		"docker_plugin":                   {Tok: function("getPlugin")},
		"docker_registry_image":           {Tok: function("getRegistryImage")},
		"docker_registry_image_manifests": {Tok: function("getRegistryImageManifests")},
	}
}

// resource is the token of a resource: docker:index/remoteImage:RemoteImage.
func resource(name string) tokens.Type {
	return tokens.Type("docker:index/" + firstLower(name) + ":" + name)
}

// function is the token of a function: docker:index/getLogs:getLogs.
func function(name string) tokens.ModuleMember {
	return tokens.ModuleMember("docker:index/" + name + ":" + name)
}

// firstLower changes the first letter of an ASCII name to lower case.
func firstLower(name string) string {
	return string(name[0]|0x20) + name[1:]
}
