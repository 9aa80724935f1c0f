package main

import (
	"errors"
	"fmt"
	"strings"
)

// The package writes the blocks of some resources, which the provider nests a limited number of times, as recursive.
var errRecursive = errors.New("a block contains itself")

// Adds what a folder of the package describes: a resource, a data source, or the provider.
func (s *providerSchema) add(f *folder) error {
	for name, class := range f.classes {
		var into map[string]versionedBlock
		switch class.parent {
		case "TerraformResource":
			into = s.Resources
		case "TerraformDataSource":
			into = s.DataSources
		case "TerraformProvider":
			into = nil
		default:
			continue
		}
		block, err := f.block(name, name)
		if errors.Is(err, errRecursive) {
			s.Omitted = append(s.Omitted, class.resourceType)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if into == nil {
			// OpenTofu's own argument, which the package adds.
			delete(block.Attributes, "alias")
			s.Provider, s.Version = versionedBlock{block}, f.providerVersion
		} else {
			into[class.resourceType] = versionedBlock{block}
		}
	}
	return nil
}

// The block of a class, whose arguments are written by a scope.
func (f *folder) block(name, scope string) (block, error) {
	class := f.classes[name]
	if class == nil {
		return block{}, fmt.Errorf("there is no class %s", name)
	}
	if class.isOpen {
		return block{}, errRecursive
	}
	class.isOpen = true
	defer func() { class.isOpen = false }()
	of := block{Attributes: map[string]attribute{}, BlockTypes: map[string]nestedBlock{}}
	for _, member := range class.members {
		argument := f.arguments[scope][member.name]
		nested, isBlock, err := f.nested(member, argument)
		if err == nil && isBlock {
			of.BlockTypes[member.name] = nested
			continue
		}
		var kind any
		if err == nil {
			kind, err = f.typeOf(member, argument)
		}
		if err != nil {
			return block{}, fmt.Errorf("%s: %w", member.name, err)
		}
		of.Attributes[member.name] = attribute{
			Type: kind, Required: member.required, Optional: member.optional, Computed: member.computed,
			WriteOnly: member.writeOnly,
		}
	}
	return of, nil
}

// A nested block, if a member is one. A provider cannot compute blocks: nested values that it computes are attributes.
func (f *folder) nested(of *member, argument *argument) (nestedBlock, bool, error) {
	struct_, ok := structOf(of.class)
	if !ok && argument != nil && f.arguments[lowerFirst(strings.TrimSuffix(argument.storage, "List"))] != nil {
		inner, err := f.optionalBlock(lowerFirst(strings.TrimSuffix(argument.storage, "List")))
		return nestedBlock{NestingMode: "list", Block: inner}, true, err
	}
	if !ok || of.computed {
		return nestedBlock{}, false, nil
	}
	inner, err := f.block(struct_+"OutputReference", lowerFirst(struct_))
	nested := nestedBlock{NestingMode: f.collection(of, argument), Block: inner}
	if f.classes[struct_+"OutputReference"].isSingleEntry {
		nested.MaxItems = 1
	}
	if of.required && nested.NestingMode != "single" {
		nested.MinItems = 1
	}
	return nested, true, err
}

// A block in the provider's configuration: there the package only has what writes the arguments, not which are required.
func (f *folder) optionalBlock(scope string) (block, error) {
	of := block{Attributes: map[string]attribute{}}
	for name, argument := range f.arguments[scope] {
		kind, err := argumentType(argument)
		if err != nil {
			return block{}, fmt.Errorf("%s: %w", name, err)
		}
		of.Attributes[name] = attribute{Type: kind, Optional: true}
	}
	return of, nil
}

// list, set or single
func (f *folder) collection(of *member, argument *argument) string {
	struct_, _ := structOf(of.class)
	reference := f.classes[struct_+"OutputReference"]
	switch {
	case of.fromSet || argument != nil && argument.collection == "set":
		return "set"
	case reference != nil && reference.isSingleBlock:
		return "single"
	default:
		return "list"
	}
}

// The struct of a class of ours, without its namespace and what it is wrapped in.
func structOf(class string) (string, bool) {
	if class == "" || strings.HasPrefix(class, "cdktn.") {
		return "", false
	}
	class = class[strings.LastIndex(class, ".")+1:]
	return strings.TrimSuffix(strings.TrimSuffix(class, "OutputReference"), "List"), true
}

func lowerFirst(name string) string {
	return strings.ToLower(name[:1]) + name[1:]
}

// The type of an attribute: an argument's is how it is written into HCL, anything else's is what its getter returns.
func (f *folder) typeOf(of *member, argument *argument) (any, error) {
	if struct_, ok := structOf(of.class); ok {
		inner, err := f.block(struct_+"OutputReference", lowerFirst(struct_))
		if err != nil {
			return nil, err
		}
		object, collection := []any{"object", inner.types()}, f.collection(of, argument)
		if collection == "single" {
			return object, nil
		}
		return []any{collection, object}, nil
	}
	if argument != nil {
		return argumentType(argument)
	}
	if found, ok := getterTypes[strings.SplitN(of.getter, "'", 2)[0]]; ok {
		return found, nil
	}
	if found, ok := wrapperTypes[of.class]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("unknown type: class %q, getter %q", of.class, of.getter)
}

func argumentType(of *argument) (any, error) {
	collection := of.collection
	storage := strings.TrimSuffix(strings.TrimSuffix(of.storage, "List"), "Map")
	if storage == "boolean" {
		storage = "bool"
	}
	if storage != "string" && storage != "number" && storage != "bool" {
		return nil, fmt.Errorf("unknown type %q of an argument", of.storage)
	}
	if collection == "simple" {
		return storage, nil
	}
	if collection != "list" && collection != "set" && collection != "map" {
		return nil, fmt.Errorf("unknown collection %q of an argument", collection)
	}
	return []any{collection, storage}, nil
}

var (
	getterTypes = map[string]any{
		"this.getStringAttribute(":                                              "string",
		"this.getNumberAttribute(":                                              "number",
		"this.getBooleanAttribute(":                                             "bool",
		"this.getListAttribute(":                                                []any{"list", "string"},
		"this.getNumberListAttribute(":                                          []any{"list", "number"},
		"this.getStringMapAttribute(":                                           []any{"map", "string"},
		"cdktn.Fn.tolist(this.getListAttribute(":                                []any{"set", "string"},
		"cdktn.Token.asNumberList(cdktn.Fn.tolist(this.getNumberListAttribute(": []any{"set", "number"},
	}
	wrapperTypes = map[string]any{
		"cdktn.StringMap":     []any{"map", "string"},
		"cdktn.NumberMap":     []any{"map", "number"},
		"cdktn.BooleanMap":    []any{"map", "bool"},
		"cdktn.AnyMap":        []any{"map", "string"},
		"cdktn.StringMapList": []any{"list", []any{"map", "string"}},
	}
)

// The types of everything in a block, as the type of an object: what is nested in a computed value.
func (b block) types() map[string]any {
	types := map[string]any{}
	for name, attribute := range b.Attributes {
		types[name] = attribute.Type
	}
	for name, nested := range b.BlockTypes {
		object := []any{"object", nested.Block.types()}
		if nested.NestingMode == "single" {
			types[name] = object
		} else {
			types[name] = []any{nested.NestingMode, object}
		}
	}
	return types
}
