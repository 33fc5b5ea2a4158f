//! Users, groups and ssh keys.
