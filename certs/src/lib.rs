//! Certificates: an authority in one Secret shared by replicas, a leaf per replica, and the caBundle.
