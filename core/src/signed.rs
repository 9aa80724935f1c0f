//! What is signed and travels on objects: stamps (who made an object) and resolutions (what was decided for a pod), with the
//! digests that they hold.

mod argo;
mod decision_id;
mod digest;
mod fingerprint;
mod hash_input;
mod resolution;
mod seal;
mod stamp;

pub use argo::{ArgoStamp, Deployer};
pub use decision_id::DecisionId;
pub use digest::{Digest, digest_of_job_template, digest_of_pod_template};
pub use fingerprint::fingerprint;
pub use hash_input::HashInput;
pub use resolution::{ExistingPod, Outcome, RESOLUTION_TOLERANCE, Resolution, SeenPod};
pub use seal::{KeyRing, KeyRingError, MAX_SEALED_BYTES, MIN_KEY_BYTES, SealError, is_epoch};
pub use stamp::{Bound, MAX_DIGESTS, ObjectName, STAMP_TOLERANCE, SeenObject, Stamp};
