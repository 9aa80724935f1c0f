//! Cloud Storage: buckets, managed folders, and objects behind IAM.

mod access;
mod buckets;
mod objects;
