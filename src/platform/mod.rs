//! Where each kind of machine keeps its config: one file per platform, one table.
