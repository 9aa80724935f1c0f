"""The plugins of the extension: a metadata provider in place of Metaflow's of the same name."""

METADATA_PROVIDERS_DESC = [("service", ".metadata.NamesakeMetadataProvider")]
