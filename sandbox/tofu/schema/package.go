package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Derives the schema from a wheel of the package, in which an archive has the JavaScript that describes each resource.
func fromWheel(wheel string) (*providerSchema, error) {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, ".jsii.tgz") {
			inner, err := file.Open()
			if err != nil {
				return nil, err
			}
			defer inner.Close()
			return fromArchive(inner)
		}
	}
	return nil, fmt.Errorf("%s has no file *.jsii.tgz", wheel)
}

func fromArchive(compressed io.Reader) (*providerSchema, error) {
	plain, err := gzip.NewReader(compressed)
	if err != nil {
		return nil, err
	}
	folders := map[string]*folder{}
	for files := tar.NewReader(plain); ; {
		file, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(file.Name, "package/lib/") || path.Ext(file.Name) != ".js" {
			continue
		}
		// package/lib/FOLDER/…
		name := strings.Split(file.Name, "/")[2]
		if folders[name] == nil {
			folders[name] = newFolder()
		}
		if err := folders[name].read(files); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	schema := &providerSchema{Resources: map[string]versionedBlock{}, DataSources: map[string]versionedBlock{}}
	for name, folder := range folders {
		if err := schema.add(folder); err != nil {
			return nil, fmt.Errorf("lib/%s: %w", name, err)
		}
	}
	return schema, nil
}
