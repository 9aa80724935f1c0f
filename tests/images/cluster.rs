//! The programs of the images, each from its own root: they start, resolve names, and verify the API server's certificate.

use anyhow::{Context, Result, ensure};
use namesake_sandbox::kubernetes::users::{self, ADMIN};
use namesake_tests::{cluster::Cluster, namespace::runtime::runtime};
use secrecy::ExposeSecret;

use crate::{IMAGES, VERSION, dns::Dns, output, registry::Registry, root::Root};

/// The API server's name in a cluster. Its certificate on loopback has it too.
const API_SERVER: &str = "kubernetes.default.svc";
/// Where a kubelet puts what a pod needs to reach the API server.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[test]
fn each_program_starts_from_what_is_in_its_image() -> Result<()> {
    runtime().block_on(async {
        let registry = Registry::with_our_images().await?;
        for (image, program, _) in IMAGES {
            let root = Root::unpack(registry, image)?;
            let printed = String::from_utf8(output(root.program()?.arg("--version"))?)?;
            ensure!(
                printed == format!("{program} {VERSION}\n"),
                "{image}: {printed}"
            );
        }
        Ok(())
    })
}

#[test]
fn the_static_program_finds_the_api_server_in_its_hosts_file_and_verifies_its_certificate()
-> Result<()> {
    runtime().block_on(async {
        let pod = Pod::start().await?;
        pod.root
            .write("/etc/hosts", &format!("127.0.0.1 {API_SERVER}\n"))?;
        pod.reads_the_cluster()?;
        // Another authority.
        let other = rcgen::generate_simple_self_signed([API_SERVER.to_owned()])?;
        pod.root
            .write(&format!("{ACCOUNT}/ca.crt"), &other.cert.pem())?;
        pod.fails("certificate")
    })
}

#[test]
fn the_static_program_asks_a_name_server_for_what_its_hosts_file_does_not_have() -> Result<()> {
    runtime().block_on(async {
        let (pod, dns) = (Pod::start().await?, Dns::start(API_SERVER).await?);
        pod.root.write("/etc/hosts", "127.0.0.1 localhost\n")?;
        pod.root
            .write("/etc/resolv.conf", &format!("nameserver {}\n", dns.address))?;
        pod.reads_the_cluster()?;
        let another = Dns::start("another.name").await?;
        pod.root.write(
            "/etc/resolv.conf",
            &format!("nameserver {}\n", another.address),
        )?;
        pod.fails("lookup")?;
        // The file comes first, although the server knows that there is no such name.
        pod.root
            .write("/etc/hosts", &format!("127.0.0.1 {API_SERVER}\n"))?;
        pod.reads_the_cluster()
    })
}

/// A container with the command line tool, and with what a kubelet gives it, except for names.
struct Pod {
    root: Root,
    port: String,
}

impl Pod {
    async fn start() -> Result<Self> {
        let root = Root::unpack(Registry::with_our_images().await?, "cli")?;
        let control_plane = &Cluster::shared().await?.control_plane;
        let admin = users::config_from(&control_plane.kubeconfig(ADMIN)).await?;
        let token = admin.auth_info.token.context("the admin has no token")?;
        for (file, text) in [
            ("ca.crt", control_plane.ca_pem()),
            ("namespace", "default"),
            ("token", token.expose_secret()),
        ] {
            root.write(&format!("{ACCOUNT}/{file}"), text)?;
        }
        let (_, port) = control_plane
            .server()
            .rsplit_once(':')
            .context("the API server has no port")?;
        Ok(Self {
            root,
            port: port.to_owned(),
        })
    }

    fn list(&self) -> Result<std::process::Output> {
        let mut program = self.root.program()?;
        program.env("KUBERNETES_SERVICE_HOST", API_SERVER);
        program.env("KUBERNETES_SERVICE_PORT", &self.port);
        Ok(program.arg("list").output()?)
    }

    fn reads_the_cluster(&self) -> Result<()> {
        let output = self.list()?;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(
            output.status.success() && out.contains("there are no identities"),
            "{}: {out}{err}",
            output.status
        );
        Ok(())
    }

    fn fails(&self, why: &str) -> Result<()> {
        let output = self.list()?;
        let err = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(4) && err.contains(why),
            "{}, not because of {why:?}: {err}",
            output.status
        );
        Ok(())
    }
}
