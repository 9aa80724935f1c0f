package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// The provider: it answers for its schema, accepts what fits the schema, and refuses everything else.
type provider struct {
	refusing
	schema *tfprotov5.GetProviderSchemaResponse
}

func serve(of *providerSchema) error {
	converted, err := convert(of)
	if err != nil {
		return err
	}
	server := &provider{refusing: refusing{version: of.Version}, schema: converted}
	return tf5server.Serve("registry.opentofu.org/hashicorp/google", func() tfprotov5.ProviderServer { return server })
}

func convert(of *providerSchema) (*tfprotov5.GetProviderSchemaResponse, error) {
	var err error
	all := func(blocks map[string]versionedBlock) map[string]*tfprotov5.Schema {
		schemas := map[string]*tfprotov5.Schema{}
		for name, of := range blocks {
			converted, problem := of.Block.convert()
			if problem != nil {
				err = fmt.Errorf("%s: %w", name, problem)
			}
			schemas[name] = &tfprotov5.Schema{Block: converted}
		}
		return schemas
	}
	response := &tfprotov5.GetProviderSchemaResponse{
		ServerCapabilities: &tfprotov5.ServerCapabilities{GetProviderSchemaOptional: true},
		Provider:           all(map[string]versionedBlock{"provider": of.Provider})["provider"],
		ResourceSchemas:    all(of.Resources),
		DataSourceSchemas:  all(of.DataSources),
	}
	return response, err
}

func (b block) convert() (*tfprotov5.SchemaBlock, error) {
	converted := &tfprotov5.SchemaBlock{}
	for name, of := range b.Attributes {
		text, err := json.Marshal(of.Type)
		if err != nil {
			return nil, err
		}
		kind, err := tftypes.ParseJSONType(text) //nolint:staticcheck // the format is cty's, which nothing else of the package reads
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		converted.Attributes = append(converted.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: kind, Required: of.Required, Optional: of.Optional, Computed: of.Computed, WriteOnly: of.WriteOnly,
		})
	}
	for name, of := range b.BlockTypes {
		inner, err := of.Block.convert()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		mode, ok := nestingModes[of.NestingMode]
		if !ok {
			return nil, fmt.Errorf("%s: unknown nesting mode %q", name, of.NestingMode)
		}
		converted.BlockTypes = append(converted.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: name, Block: inner, Nesting: mode, MinItems: of.MinItems, MaxItems: of.MaxItems,
		})
	}
	return converted, nil
}

var nestingModes = map[string]tfprotov5.SchemaNestedBlockNestingMode{
	"single": tfprotov5.SchemaNestedBlockNestingModeSingle,
	"list":   tfprotov5.SchemaNestedBlockNestingModeList,
	"set":    tfprotov5.SchemaNestedBlockNestingModeSet,
}

func (p *provider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	return p.schema, nil
}

func (p *provider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	response := &tfprotov5.GetMetadataResponse{ServerCapabilities: p.schema.ServerCapabilities}
	for name := range p.schema.ResourceSchemas {
		response.Resources = append(response.Resources, tfprotov5.ResourceMetadata{TypeName: name})
	}
	for name := range p.schema.DataSourceSchemas {
		response.DataSources = append(response.DataSources, tfprotov5.DataSourceMetadata{TypeName: name})
	}
	return response, nil
}

func (*provider) GetResourceIdentitySchemas(context.Context, *tfprotov5.GetResourceIdentitySchemasRequest) (*tfprotov5.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov5.GetResourceIdentitySchemasResponse{}, nil
}

func (*provider) GetFunctions(context.Context, *tfprotov5.GetFunctionsRequest) (*tfprotov5.GetFunctionsResponse, error) {
	return &tfprotov5.GetFunctionsResponse{}, nil
}

// OpenTofu has checked a configuration against the schema before it asks for the provider's own checks. This one has only
// one, which every provider has.

func (*provider) PrepareProviderConfig(_ context.Context, request *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: request.Config}, nil
}

func (p *provider) ValidateResourceTypeConfig(_ context.Context, request *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	found, err := unconfigurable(p.schema.ResourceSchemas[request.TypeName], request.Config)
	return &tfprotov5.ValidateResourceTypeConfigResponse{Diagnostics: found}, err
}

func (p *provider) ValidateDataSourceConfig(_ context.Context, request *tfprotov5.ValidateDataSourceConfigRequest) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	found, err := unconfigurable(p.schema.DataSourceSchemas[request.TypeName], request.Config)
	return &tfprotov5.ValidateDataSourceConfigResponse{Diagnostics: found}, err
}

func (*provider) ConfigureProvider(context.Context, *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	return &tfprotov5.ConfigureProviderResponse{}, nil
}

func (*provider) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

// A state that a test wrote with mocks has the form that this schema gives it.
func (p *provider) UpgradeResourceState(_ context.Context, request *tfprotov5.UpgradeResourceStateRequest) (*tfprotov5.UpgradeResourceStateResponse, error) {
	kind := p.schema.ResourceSchemas[request.TypeName].ValueType()
	value, err := request.RawState.Unmarshal(kind)
	if err != nil {
		return nil, err
	}
	state, err := tfprotov5.NewDynamicValue(kind, value)
	return &tfprotov5.UpgradeResourceStateResponse{UpgradedState: &state}, err
}
