//! How much of everything there can be. Each is an answer when it is reached.

/// Bytes in the name of a namespace, a group or a configuration.
pub const NAME_BYTES: usize = 128;
/// Bytes in the content of a version.
pub const CONTENT_BYTES: usize = 1 << 20;
/// Bytes in what is said of a version, or of a report.
pub const COMMENT_BYTES: usize = 1_024;
/// Versions that are kept of a configuration, if nothing else is said;
pub const KEEP: u32 = 100;
/// and at most.
pub const KEEP_MOST: u32 = 1_000;
/// Rules of a gray release.
pub const RULES: usize = 32;
/// Values that one rule allows.
pub const RULE_VALUES: usize = 64;
/// Clients that a gray release names.
pub const IDS: usize = 1_000;
/// Bytes of all that a gray release says of whom it is for: every head is read as a whole.
pub const GRAY_BYTES: usize = 64 << 10;
/// Labels that a client says of itself.
pub const LABELS: usize = 64;
/// Bytes of a label, and of its value.
pub const LABEL_BYTES: usize = 256;
/// Bytes in the id of a client.
pub const CLIENT_BYTES: usize = 256;
/// Clients whose good reports are counted for a gray release, and clients whose bad ones are.
pub const REPORTS: u32 = 1_000;
/// Milliseconds a canary lasts at least,
pub const CANARY_MS_LEAST: u64 = 1_000;
/// and at most.
pub const CANARY_MS: u64 = 30 * 24 * 3_600_000;
/// Bytes of a schema.
pub const SCHEMA_BYTES: usize = 256 << 10;
/// Bytes that say where something is in a schema: a JSON pointer.
pub const SCHEMA_PLACE_BYTES: usize = 2_048;
/// Patterns in a schema,
pub const PATTERNS: usize = 256;
/// bytes of one,
pub const PATTERN_BYTES: usize = 4_096;
/// bytes that one may take up once it is compiled,
pub const PATTERN_COMPILED_BYTES: usize = 1 << 20;
/// and all of a schema.
pub const PATTERNS_COMPILED_BYTES: usize = 4 << 20;
/// Nesting of a schema, of a content, and of references while one is held against the other.
pub const DEPTH: usize = 100;
/// Configurations that a schema of a group is held against when it is set.
pub const SCHEMA_GROUP: usize = 256;
/// Steps that holding a content against a schema may take: each looks at one value, name or item of a list,
/// or at some bytes of a text.
pub const SCHEMA_STEPS: u64 = 2_000_000;
/// Violations that are told.
pub const VIOLATIONS: usize = 20;
/// Values that a content in YAML has, aliases counted as what they stand for.
pub const YAML_VALUES: usize = 200_000;
/// Bytes of the texts and keys in a content in YAML, counted like that.
pub const YAML_BYTES: usize = 4 * CONTENT_BYTES;
/// Lines that were added or removed in the middle of two contents, up to which the smallest difference is
/// looked for.
pub const DIFF_EDITS: usize = 1_000;
/// Configurations in one answer of a list, and versions in one of a history.
pub const PAGE: usize = 1_000;
