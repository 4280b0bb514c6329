package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

func TestEmbeddedSchemaIsFresh(t *testing.T) {
	t.Chdir("..") // the descriptions are looked up from the module's own folder, as go generate does
	var fresh bytes.Buffer
	if err := write(&fresh); err != nil {
		t.Fatal(err)
	}
	embedded, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fresh.Bytes(), embedded) {
		t.Fatal("schema.json is out of date: run go generate . in toolchain/go/docker")
	}
}

func TestSchemaHasTheOfficialTokens(t *testing.T) {
	var fresh bytes.Buffer
	if err := write(&fresh); err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Version   string
		Resources map[string]struct {
			InputProperties map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(fresh.Bytes(), &schema); err != nil {
		t.Fatal(err)
	}
	for token, property := range map[string]string{
		"docker:index/container:Container":         "networksAdvanced",
		"docker:index/remoteImage:RemoteImage":     "keepLocally",
		"docker:index/volume:Volume":               "driverOpts",
		"docker:index/network:Network":             "internal",
		"docker:index/buildxBuilder:BuildxBuilder": "name",
		"docker:index/service:Service":             "taskSpec",
	} {
		if _, found := schema.Resources[token].InputProperties[property]; !found {
			t.Errorf("%s has no property %s", token, property)
		}
	}
}
