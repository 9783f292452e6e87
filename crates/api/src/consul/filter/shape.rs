//! What can be selected in which answer: the fields Consul's own types have, as its documentation lists
//! them for each route. Indexes, definitions of checks and settings of proxies are not among them.

/// What a place in an answer holds.
#[derive(Debug)]
pub(crate) enum Shape {
    Text,
    /// Whole numbers only.
    Number,
    Truth,
    /// A list of texts.
    Texts,
    List(&'static Shape),
    /// By any key.
    Map(&'static Shape),
    /// By these names.
    Struct(&'static [(&'static str, Shape)]),
}

use Shape::{List, Map, Number, Struct, Text, Texts, Truth};

/// An element of `/catalog/nodes`.
pub(crate) static NODE: Shape = Struct(NODE_FIELDS);
/// An element of `/catalog/service/:name` and `/catalog/connect/:name`, and an instance counted by
/// `/catalog/services`.
pub(crate) static SERVICE_NODE: Shape = Struct(&[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("TaggedAddresses", Map(&Text)),
    ("NodeMeta", Map(&Text)),
    ("ServiceKind", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", Texts),
    ("ServiceAddress", Text),
    ("ServiceTaggedAddresses", Map(&SERVICE_ADDRESS)),
    ("ServiceWeights", Struct(WEIGHTS)),
    ("ServiceMeta", Map(&Text)),
    ("ServicePort", Number),
    ("ServiceSocketPath", Text),
    ("ServiceEnableTagOverride", Truth),
    ("ServiceProxy", Struct(PROXY)),
    ("ServiceConnect", Struct(CONNECT)),
    ("PeerName", Text),
]);
/// An element of `/catalog/node/:name`'s services, `/catalog/node-services/:name` and `/agent/services`.
pub(crate) static NODE_SERVICE: Shape = Struct(SERVICE_FIELDS);
/// An element of `/health/node/:name`, `/health/checks/:service`, `/health/state/:state` and
/// `/agent/checks`.
pub(crate) static HEALTH_CHECK: Shape = Struct(CHECK_FIELDS);
/// An element of `/health/service/:name`, `/health/connect/:name` and `/health/ingress/:name`.
pub(crate) static SERVICE_ENTRY: Shape = Struct(&[
    ("Node", Struct(NODE_FIELDS)),
    ("Service", Struct(SERVICE_FIELDS)),
    ("Checks", List(&HEALTH_CHECK)),
]);
/// An element of `/agent/members`.
pub(crate) static MEMBER: Shape = Struct(&[
    ("Name", Text),
    ("Port", Number),
    ("Tags", Map(&Text)),
    ("Status", Number),
    ("ProtocolMin", Number),
    ("ProtocolMax", Number),
    ("ProtocolCur", Number),
    ("DelegateMin", Number),
    ("DelegateMax", Number),
    ("DelegateCur", Number),
]);

static SERVICE_ADDRESS: Shape = Struct(&[("Address", Text), ("Port", Number)]);
static UPSTREAM: Shape = Struct(&[
    ("DestinationType", Text),
    ("DestinationNamespace", Text),
    ("DestinationPartition", Text),
    ("DestinationPeer", Text),
    ("DestinationName", Text),
    ("Datacenter", Text),
    ("LocalBindAddress", Text),
    ("LocalBindPort", Number),
    ("LocalBindSocketPath", Text),
    ("LocalBindSocketMode", Text),
    ("MeshGateway", Struct(MODE)),
]);
static EXPOSED_PATH: Shape = Struct(&[
    ("ListenerPort", Number),
    ("Path", Text),
    ("LocalPathPort", Number),
    ("Protocol", Text),
    ("ParsedFromCheck", Truth),
]);

const NODE_FIELDS: &[(&str, Shape)] = &[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("Partition", Text),
    ("PeerName", Text),
    ("TaggedAddresses", Map(&Text)),
    ("Meta", Map(&Text)),
];
const SERVICE_FIELDS: &[(&str, Shape)] = &[
    ("Kind", Text),
    ("ID", Text),
    ("Service", Text),
    ("Tags", Texts),
    ("Address", Text),
    ("SocketPath", Text),
    ("TaggedAddresses", Map(&SERVICE_ADDRESS)),
    ("Meta", Map(&Text)),
    ("Port", Number),
    ("Weights", Struct(WEIGHTS)),
    ("EnableTagOverride", Truth),
    ("Datacenter", Text),
    ("ContentHash", Text),
    ("Proxy", Struct(PROXY)),
    ("Connect", Struct(CONNECT)),
    ("PeerName", Text),
];
const CHECK_FIELDS: &[(&str, Shape)] = &[
    ("Node", Text),
    ("CheckID", Text),
    ("Name", Text),
    ("Status", Text),
    ("Notes", Text),
    ("Output", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", Texts),
    ("Type", Text),
    ("Interval", Text),
    ("Timeout", Text),
    ("ExposedPort", Number),
    ("PeerName", Text),
];
const WEIGHTS: &[(&str, Shape)] = &[("Passing", Number), ("Warning", Number)];
const CONNECT: &[(&str, Shape)] = &[("Native", Truth)];
const MODE: &[(&str, Shape)] = &[("Mode", Text)];
const PROXY: &[(&str, Shape)] = &[
    ("DestinationServiceName", Text),
    ("DestinationServiceID", Text),
    ("LocalServiceAddress", Text),
    ("LocalServicePort", Number),
    ("LocalServiceSocketPath", Text),
    ("Mode", Text),
    ("Upstreams", List(&UPSTREAM)),
    ("MeshGateway", Struct(MODE)),
    ("Expose", Struct(&[("Checks", Truth), ("Paths", List(&EXPOSED_PATH))])),
    ("TransparentProxy", Struct(&[("OutboundListenerPort", Number), ("DialedDirectly", Truth)])),
];
