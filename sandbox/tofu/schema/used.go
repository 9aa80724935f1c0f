package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Where OpenTofu lists the folders of all modules of a configuration, relative to the working directory.
const modules = ".terraform/modules/modules.json"

var typeName = regexp.MustCompile(`google_\w+`)

// The types that the configuration in the working directory names. OpenTofu starts a provider several times in each
// command, and reads everything that it serves: with all 1,800 types, that takes a second.
func usedTypes() (map[string]bool, error) {
	used := map[string]bool{}
	for _, folder := range moduleFolders() {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == ".terraform":
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(path, ".tf") && !strings.HasSuffix(path, ".hcl"):
				return nil
			}
			text, err := os.ReadFile(path)
			for _, name := range typeName.FindAllString(string(text), -1) {
				used[name] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return used, nil
}

func moduleFolders() []string {
	folders := []string{"."}
	var list struct{ Modules []struct{ Dir string } }
	text, err := os.ReadFile(modules)
	if err != nil || json.Unmarshal(text, &list) != nil {
		return folders
	}
	for _, module := range list.Modules {
		folders = append(folders, module.Dir)
	}
	return folders
}

// The schema with these types only.
func (s *storedSchema) only(used map[string]bool) (*providerSchema, error) {
	schema := &providerSchema{Version: s.Version, Provider: s.Provider}
	resources, err := decoded(s.Resources, used)
	if err != nil {
		return nil, err
	}
	schema.Resources = resources
	schema.DataSources, err = decoded(s.DataSources, used)
	return schema, err
}

func decoded(all map[string]json.RawMessage, used map[string]bool) (map[string]versionedBlock, error) {
	blocks := map[string]versionedBlock{}
	for name, text := range all {
		if used[name] {
			var block versionedBlock
			if err := json.Unmarshal(text, &block); err != nil {
				return nil, err
			}
			blocks[name] = block
		}
	}
	return blocks, nil
}
