//! How to use a running sandbox.

use anyhow::{Context, Result};
use namesake_api::names;

use crate::{
    Sandbox, WorkFolder,
    cli::demo::laptop::Laptop,
    kubernetes::users::{ADMIN, ALICE},
    sandbox::workspace_images,
};

/// The text for whoever started it: kubeconfigs, Google's side, the gateway's addresses, and first commands.
///
/// # Errors
/// The work folder cannot be written, or the webhook is not built.
pub fn instructions(sandbox: &Sandbox, folder: &WorkFolder, laptops: &[Laptop]) -> Result<String> {
    let google = sandbox.google.url();
    let images = workspace_images()?;
    let webhook = images.get(names::WEBHOOK_SERVICE_ACCOUNT);
    let ours = webhook.and_then(|webhook| webhook.parent());
    let ours = ours.context("the webhook is not built")?;
    let programs = sandbox.control_plane.binaries().folder();
    let path = format!("{}:{}:$PATH", programs.display(), ours.display());
    let mut text = format!(
        "\nEverything is in {folder}\n\n\
         as the admin:\n  export KUBECONFIG={admin} PATH={path}\n  \
           kubectl get deployments --namespace namesake-system\n  kubectl get identities --all-namespaces\n  \
           kubectl namesake check   # lists what is open here\n\n\
         Google's side ({google}), with gcloud as the owner of its projects:\n  \
           curl {google}/emulator/v1/state\n  \
           curl -s {google}/emulator/v1/userTokens -d '{{\"email\":\"{owner}\"}}' | sed 's/.*\"accessToken\": *\"\\([^\"]*\\).*/\\1/' > {token}\n  \
           export CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM={google}/ CLOUDSDK_AUTH_ACCESS_TOKEN_FILE={token}\n  \
           gcloud iam service-accounts list --project {identities}\n",
        folder = folder.path().display(),
        admin = sandbox.control_plane.kubeconfig(ADMIN).display(),
        identities = crate::google::IDENTITIES,
        owner = crate::google::OWNER,
        token = folder.path().join("google-owner.token").display(),
    );
    for laptop in laptops {
        let script = laptop.write_env()?;
        let flags = laptop.flow_flags(laptops, google);
        text += &format!(
            "\nas {person}, with Metaflow, from their laptop:\n  cd {place}\n  . {script}\n  python whoami_flow.py run --with kubernetes {flags}\n",
            person = laptop.person(),
            place = laptop.folder().display(),
            script = script.display(),
            flags = flags.join(" "),
        );
    }
    text += &format!(
        "\nMetaflow's services, for people in a browser and for programs with a token (certificate authority: {authority}):\n  \
           {ui}/namesake   # log in as alice, bob or admin; each password is the name\n  {api}\n\
         on a laptop, as above (alice and bob are logged in already):\n  \
           python -m metaflow_namesake whoami\n  python -m metaflow_namesake logout\n  python -m metaflow_namesake login\n",
        authority = sandbox.gateway.authority().display(),
        ui = sandbox.gateway.ui(),
        api = sandbox.gateway.api(),
    );
    text += &format!(
        "\nas {ALICE}, with kubectl:\n  export KUBECONFIG={alice} PATH={path}\n  kubectl auth whoami\n\nPress Ctrl-C to stop it.",
        alice = sandbox.control_plane.kubeconfig(ALICE).display(),
    );
    Ok(text)
}
