//! Admission: who asked, which identity, and the twin that checks the final pod.
