package main

import "encoding/json"

// The schema of a provider, in the JSON format of `tofu providers schema -json`, as far as it is known.
type providerSchema struct {
	// The provider's version.
	Version     string                    `json:"provider_version"`
	Provider    versionedBlock            `json:"provider"`
	Resources   map[string]versionedBlock `json:"resource_schemas"`
	DataSources map[string]versionedBlock `json:"data_source_schemas"`
	// Resources and data sources that the package does not describe completely.
	Omitted []string `json:"omitted,omitempty"`
}

type versionedBlock struct {
	Block block `json:"block"`
}

type block struct {
	Attributes map[string]attribute   `json:"attributes,omitempty"`
	BlockTypes map[string]nestedBlock `json:"block_types,omitempty"`
}

type attribute struct {
	// As cty writes it: "string", ["list", "string"], ["object", {…}].
	Type      any  `json:"type"`
	Required  bool `json:"required,omitempty"`
	Optional  bool `json:"optional,omitempty"`
	Computed  bool `json:"computed,omitempty"`
	WriteOnly bool `json:"write_only,omitempty"`
}

type nestedBlock struct {
	NestingMode string `json:"nesting_mode"`
	Block       block  `json:"block"`
	MinItems    int64  `json:"min_items,omitempty"`
	MaxItems    int64  `json:"max_items,omitempty"`
}

// The same as it is stored, in which only the types that are used are decoded.
type storedSchema struct {
	Version     string                     `json:"provider_version"`
	Provider    versionedBlock             `json:"provider"`
	Resources   map[string]json.RawMessage `json:"resource_schemas"`
	DataSources map[string]json.RawMessage `json:"data_source_schemas"`
}
