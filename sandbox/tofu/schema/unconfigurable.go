package main

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Reports what only the provider can set and a configuration sets. OpenTofu leaves this check to providers.
func unconfigurable(of *tfprotov5.Schema, config *tfprotov5.DynamicValue) ([]*tfprotov5.Diagnostic, error) {
	if of == nil || config == nil {
		return nil, nil
	}
	value, err := config.Unmarshal(of.ValueType())
	if err != nil {
		return nil, err
	}
	var found []*tfprotov5.Diagnostic
	for _, path := range setIn(of.Block, value, nil) {
		found = append(found, &tfprotov5.Diagnostic{
			Severity: tfprotov5.DiagnosticSeverityError,
			Summary:  "Value for unconfigurable attribute",
			Detail:   fmt.Sprintf("Can't configure a value for %q: its value will be decided automatically.", path),
		})
	}
	return found, nil
}

// The paths of computed attributes that have a value in a block.
func setIn(block *tfprotov5.SchemaBlock, value tftypes.Value, path []string) []string {
	var fields map[string]tftypes.Value
	if value.IsNull() || !value.IsKnown() || value.As(&fields) != nil {
		return nil
	}
	var found []string
	for _, attribute := range block.Attributes {
		if attribute.Computed && !attribute.Optional && !fields[attribute.Name].IsNull() {
			found = append(found, strings.Join(append(path, attribute.Name), "."))
		}
	}
	for _, nested := range block.BlockTypes {
		of, path := fields[nested.TypeName], append(path, nested.TypeName)
		var entries []tftypes.Value
		if nested.Nesting == tfprotov5.SchemaNestedBlockNestingModeSingle {
			entries = []tftypes.Value{of}
		} else if of.IsNull() || !of.IsKnown() || of.As(&entries) != nil {
			continue
		}
		for _, entry := range entries {
			found = append(found, setIn(nested.Block, entry, path)...)
		}
	}
	return found
}
