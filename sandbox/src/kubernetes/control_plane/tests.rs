use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
};

use k8s_openapi::api::{authentication::v1::SelfSubjectReview, batch::v1::Job, core::v1::Pod};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::json;

use super::*;
use crate::{
    kubernetes::users::{ALICE, BOB, MALLORY},
    programs::kubernetes::{ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER},
};

async fn who_am_i(client: &Client) -> (String, Vec<String>) {
    let reviews = Api::<SelfSubjectReview>::all(client.clone());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .unwrap();
    let info = review.status.unwrap().user_info.unwrap();
    (info.username.unwrap(), info.groups.unwrap())
}

fn a_job() -> Job {
    serde_json::from_value(json!({
        "metadata": {"generateName": "t-"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}}},
    }))
    .unwrap()
}

async fn is_unreachable(client: &Client) -> bool {
    let jobs = Api::<Job>::namespaced(client.clone(), "lab");
    jobs.list(&ListParams::default()).await.is_err()
}

/// One control plane for all checks: it takes some seconds to start.
#[tokio::test]
async fn it_starts_although_a_port_is_taken_and_knows_its_users() {
    let folder = WorkFolder::create().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut first = Some(taken.local_addr().unwrap().port());
    let mut next = || {
        let mut ports = random_ports()?;
        if let Some(port) = first.take() {
            ports.api = port;
        }
        Ok(ports)
    };
    let binaries = Binaries::find_or_build(&mut |_| ()).unwrap();
    let control_plane = ControlPlane::start_with(&folder, binaries, ISSUER, &mut next)
        .await
        .unwrap();

    let alice = control_plane.client(ALICE).await.unwrap();
    let (name, groups) = who_am_i(&alice).await;
    assert_eq!(name, ALICE);
    assert!(
        groups.contains(&"research@acme.com".to_owned()),
        "{groups:?}"
    );
    let somebody = control_plane
        .client_as("user7@acme.com", &["research@acme.com"])
        .await
        .unwrap();
    assert_eq!(who_am_i(&somebody).await.0, "user7@acme.com");
    assert!(control_plane.jwks().await.unwrap().contains("\"ES256\""));

    people_edit_their_namespace_only(&control_plane).await;
    a_job_gets_its_pod_from_the_job_controller(&control_plane).await;
    assert!(!is_unreachable(&alice).await);
    control_plane.stop_api_server().await;
    assert!(is_unreachable(&alice).await);
    control_plane.start_api_server().await.unwrap();
    assert_eq!(who_am_i(&alice).await.0, ALICE);

    let processes = control_plane.processes().clone();
    let pids: Vec<i32> = processes
        .iter()
        .map(|process| process.child.pid())
        .collect();
    control_plane.stop().await;
    for pid in pids {
        assert!(!crate::host::work_folder::is_alive(pid));
    }
}

async fn people_edit_their_namespace_only(control_plane: &ControlPlane) {
    control_plane
        .namespace("lab", &[("team", "ml")])
        .await
        .unwrap();
    for user in [ALICE, BOB, MALLORY] {
        let client = control_plane.client(user).await.unwrap();
        Api::<Job>::namespaced(client.clone(), "lab")
            .list(&ListParams::default())
            .await
            .unwrap();
        let elsewhere = Api::<Job>::namespaced(client, "default")
            .list(&ListParams::default())
            .await;
        assert!(matches!(elsewhere, Err(kube::Error::Api(status)) if status.code == 403));
    }
}

async fn a_job_gets_its_pod_from_the_job_controller(control_plane: &ControlPlane) {
    let alice = control_plane.client(ALICE).await.unwrap();
    Api::<Job>::namespaced(alice.clone(), "lab")
        .create(&PostParams::default(), &a_job())
        .await
        .unwrap();
    let pods = Api::<Pod>::namespaced(alice, "lab");
    control_plane
        .until("create the pod", || async {
            pods.list(&ListParams::default())
                .await
                .is_ok_and(|list| !list.items.is_empty())
        })
        .await
        .unwrap();
    let log = fs::read_to_string(control_plane.audit_log()).unwrap();
    let created_by = |resource: &str, user: &str| {
        log.lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .any(|event| {
                event["verb"] == "create"
                    && event["objectRef"]["resource"] == resource
                    && event["user"]["username"] == user
            })
    };
    assert!(created_by("jobs", ALICE), "{log}");
    assert!(
        created_by("pods", "system:serviceaccount:kube-system:job-controller"),
        "{log}"
    );
}

#[tokio::test]
async fn the_error_for_a_program_that_exits_at_once_has_its_log() {
    let folder = WorkFolder::create().unwrap();
    let fakes = tempfile::tempdir().unwrap();
    for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        use std::os::unix::fs::PermissionsExt;
        let path = fakes.path().join(name);
        fs::write(&path, "#!/bin/sh\necho no such flag\nexit 3\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let needed = [ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER];
    let binaries = Binaries::in_assets(fakes.path(), &needed).unwrap();
    let error = ControlPlane::start_with(&folder, binaries, ISSUER, &mut random_ports)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("exited with code 3") && error.contains("no such flag"),
        "{error}"
    );
    assert!(folder.is_kept());
    let _ = fs::remove_dir_all(folder.path());
}
