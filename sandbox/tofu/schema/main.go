// A provider that carries the schema of hashicorp/google and nothing else. Google's provider is in no registry of
// programs, but packages of the CDK for Terraform are generated from its schema, and still have all of it.
//
//	schema derive WHEEL OUTPUT   derives the schema from such a package
//	schema                       serves schema.json, which is next to the program, as OpenTofu's plugin
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	var err error
	if len(os.Args) == 4 && os.Args[1] == "derive" {
		err = derive(os.Args[2], os.Args[3])
	} else {
		err = serveSchema()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func derive(wheel, output string) error {
	schema, err := fromWheel(wheel)
	if err != nil {
		return err
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(output, text, 0o644)
}

func serveSchema() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(program), "schema.json"))
	if err != nil {
		return err
	}
	var stored storedSchema
	if err := json.Unmarshal(text, &stored); err != nil {
		return fmt.Errorf("schema.json: %w", err)
	}
	used, err := usedTypes()
	if err != nil {
		return err
	}
	schema, err := stored.only(used)
	if err != nil {
		return fmt.Errorf("schema.json: %w", err)
	}
	return serve(schema)
}
