package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/require"
)

var urn = resource.NewURN("stack", "project", "", "command:local:Command", "name")

type values = map[string]property.Value

func text(value string) property.Value { return property.New(value) }

// serve starts the provider as the engine would see it.
func serve(t *testing.T) integration.Server {
	t.Helper()
	server, err := integration.NewServer(t.Context(), "command", semver.MustParse("1.2.1"),
		integration.WithProvider(newProvider()))
	require.NoError(t, err)
	return server
}

func create(t *testing.T, server integration.Server, inputs values) p.CreateResponse {
	t.Helper()
	response, err := server.Create(p.CreateRequest{Urn: urn, Properties: property.NewMap(inputs)})
	require.NoError(t, err)
	return response
}

func output(properties property.Map, name string) string { return properties.Get(name).AsString() }

func TestCreateCapturesBothStreamsWithoutTheLastLineEnd(t *testing.T) {
	response := create(t, serve(t), values{"create": text("printf 'one\\ntwo\\n'; echo three >&2")})
	require.Equal(t, "one\ntwo", output(response.Properties, "stdout"))
	require.Equal(t, "three", output(response.Properties, "stderr"))
	require.NotEmpty(t, response.ID)
}

func TestPreviewRunsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made")
	_, err := serve(t).Create(p.CreateRequest{
		Urn: urn, DryRun: true, Properties: property.NewMap(values{"create": text("touch " + file)}),
	})
	require.NoError(t, err)
	require.NoFileExists(t, file)
}

func TestFolderEnvironmentInterpreterAndStandardInput(t *testing.T) {
	folder := t.TempDir()
	response := create(t, serve(t), values{
		"create":      text(`printf '%s|%s|%s|' "$0" "$PWD" "$GREETING"; cat`),
		"dir":         text(folder),
		"environment": property.New(values{"GREETING": text("good day")}),
		"stdin":       text("from the program"),
		"interpreter": property.New([]property.Value{text("/bin/bash"), text("-c")}),
	})
	require.Equal(t, "/bin/bash|"+folder+"|good day|from the program", output(response.Properties, "stdout"))
}

func TestUpdateRunsItsCommandWithTheOutputOfTheLastRun(t *testing.T) {
	for name, given := range map[string]struct {
		inputs values
		want   string
	}{
		"update":           {values{"create": text("echo made"), "update": text("echo was $PULUMI_COMMAND_STDOUT")}, "was made"},
		"create again":     {values{"create": text("echo again after $PULUMI_COMMAND_STDOUT")}, "again after made"},
		"without previous": {values{"update": text("echo was $PULUMI_COMMAND_STDOUT"), "addPreviousOutputInEnv": property.New(false)}, "was"},
		"neither":          {values{"delete": text("true")}, "made"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			first := create(t, server, values{"create": text("echo made")})
			second, err := server.Update(p.UpdateRequest{
				Urn: urn, ID: first.ID, State: first.Properties, Inputs: property.NewMap(given.inputs),
			})
			require.NoError(t, err)
			require.Equal(t, given.want, output(second.Properties, "stdout"))
		})
	}
}

func TestDeleteRunsItsCommand(t *testing.T) {
	server, file := serve(t), filepath.Join(t.TempDir(), "trace")
	first := create(t, server, values{
		"create": text("echo made"), "delete": text("printf %s \"$PULUMI_COMMAND_STDOUT\" >" + file),
	})
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn, ID: first.ID, Properties: first.Properties}))
	trace, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "made", string(trace))
}

func TestOnlyChangedInputsMakeADifference(t *testing.T) {
	server := serve(t)
	olds := property.NewMap(values{"create": text("true"), "dir": text("/")})
	first := create(t, server, values{"create": text("true"), "dir": text("/")})
	for name, given := range map[string]struct {
		inputs  values
		changes bool
	}{
		"same":    {values{"create": text("true"), "dir": text("/")}, false},
		"changed": {values{"create": text("true"), "dir": text("/tmp")}, true},
		"added":   {values{"create": text("true"), "dir": text("/"), "delete": text("true")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := server.Diff(p.DiffRequest{
				Urn: urn, ID: first.ID, State: first.Properties, OldInputs: olds, Inputs: property.NewMap(given.inputs),
			})
			require.NoError(t, err)
			require.Equal(t, given.changes, response.HasChanges)
		})
	}
}

func TestSchemaReplacesOnChangedTriggers(t *testing.T) {
	response, err := serve(t).GetSchema(p.GetSchemaRequest{})
	require.NoError(t, err)
	var schema struct {
		Resources map[string]struct {
			InputProperties map[string]struct{ ReplaceOnChanges bool }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(response.Schema), &schema))
	for name, property := range schema.Resources["command:local:Command"].InputProperties {
		require.Equal(t, name == "triggers", property.ReplaceOnChanges, name)
	}
}

func TestFailureNamesTheCommandAndHoldsItsOutput(t *testing.T) {
	_, err := serve(t).Create(p.CreateRequest{
		Urn: urn, Properties: property.NewMap(values{"create": text("echo seen; echo cause >&2; exit 3")}),
	})
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "cause")
	require.ErrorContains(t, err, "seen")
}

func TestMissingFolderFails(t *testing.T) {
	_, err := serve(t).Create(p.CreateRequest{
		Urn: urn, Properties: property.NewMap(values{"create": text("true"), "dir": text("/nowhere/at/all")}),
	})
	require.ErrorContains(t, err, "/nowhere/at/all")
}

func TestSecretsStaySecret(t *testing.T) {
	response := create(t, serve(t), values{
		"create":      text("echo $WORD"),
		"environment": property.New(values{"WORD": text("hidden")}).WithSecret(true),
	})
	require.True(t, response.Properties.Get("environment").Secret(), "the input in the state")
}

func TestUnknownPropertiesAndWrongTypesAreRefused(t *testing.T) {
	for name, inputs := range map[string]values{
		"wrong type": {"create": text("true"), "environment": text("A=B")},
		"unknown":    {"create": text("true"), "assetPaths": property.New([]property.Value{text("*")})},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := serve(t).Check(p.CheckRequest{Urn: urn, Inputs: property.NewMap(inputs)})
			require.NoError(t, err)
			require.NotEmpty(t, response.Failures)
		})
	}
}

func TestCancellationEndsTheWholeGroup(t *testing.T) {
	server, file := serve(t), filepath.Join(t.TempDir(), "late")
	done := make(chan error, 1)
	go func() {
		_, err := server.Create(p.CreateRequest{Urn: urn, Properties: property.NewMap(values{
			"create": text("(sleep 2; touch " + file + ") & touch " + file + ".started; wait"),
		})})
		done <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(file + ".started"); return err == nil }, 5*time.Second, 10*time.Millisecond)
	require.NoError(t, server.Cancel())
	select {
	case err := <-done:
		require.ErrorContains(t, err, "cancelled")
	case <-time.After(10 * time.Second):
		t.Fatal("the command still runs 10 s after its cancellation")
	}
	time.Sleep(2500 * time.Millisecond)
	require.NoFileExists(t, file, "a process that the command had started went on")
}

func TestRunFunction(t *testing.T) {
	response, err := serve(t).Invoke(p.InvokeRequest{
		Token: tokens.Type("command:local:run"), Args: property.NewMap(values{"command": text("echo now")}),
	})
	require.NoError(t, err)
	require.Equal(t, "now", output(response.Return, "stdout"))
}

func TestSchemaHasTheOfficialNames(t *testing.T) {
	response, err := serve(t).GetSchema(p.GetSchemaRequest{})
	require.NoError(t, err)
	for _, name := range []string{
		`"command:local:Command"`, `"command:local:run"`, `"command:local:Logging"`, `"addPreviousOutputInEnv"`, `"interpreter"`, `"triggers"`,
	} {
		require.True(t, strings.Contains(response.Schema, name), name)
	}
}
