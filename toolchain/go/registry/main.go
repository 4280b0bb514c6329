// The registry of the CNCF Distribution project with the one storage driver that the toolchain configures, and with logins
// for whoever configures them. The project's own main package adds the drivers of four clouds, and their libraries take
// most of its build time.
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}
