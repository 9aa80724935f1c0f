//! The names that Argo gives to the nodes of a Workflow.

/// The id of a node: the name of the Workflow for the node that is named like it, otherwise that and the FNV-1a hash of the node's
/// name.
#[must_use]
pub fn node_id(workflow: &str, node_name: &str) -> String {
    if node_name == workflow {
        return workflow.to_owned();
    }
    let hash = node_name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{workflow}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_are_those_of_argo() {
        for (workflow, name, id) in [
            ("long-627qd", "long-627qd", "long-627qd"),
            ("long-627qd", "long-627qd.onExit", "long-627qd-3058788005"),
            ("greet-vdm44", "greet-vdm44.a", "greet-vdm44-4137981875"),
            ("susp-c7nzg", "susp-c7nzg[2].two", "susp-c7nzg-3511076324"),
            (
                "trainflow-hvnvs",
                "trainflow-hvnvs.start-foreach-items(1:1).score",
                "trainflow-hvnvs-157591612",
            ),
        ] {
            assert_eq!(node_id(workflow, name), id);
        }
    }
}
