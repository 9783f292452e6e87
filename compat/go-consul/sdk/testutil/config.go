package testutil

// TestServerConfig is what the tests set of a server, and read of it. What hiraeth has no setting
// for is kept, and has no effect: tests that need it are among those left out.
type TestServerConfig struct {
	NodeName            string
	NodeID              string
	NodeMeta            map[string]string
	NodeLocality        *Locality
	Bootstrap           bool
	Server              bool
	Partition           string
	RetryJoin           []string
	Datacenter          string
	Bind                string
	Addresses           *TestAddressConfig
	PrimaryDatacenter   string
	ACL                 TestACLs
	CAFile              string
	CertFile            string
	KeyFile             string
	RaftProtocol        int
	Encrypt             string
	VerifyIncomingHTTPS bool
	EnableScriptChecks  bool
	EnableDebug         bool
	Connect             map[string]any
	Peering             *TestPeeringConfig
	Autopilot           *TestAutopilotConfig
	Audit               *TestAuditConfig
	Args                []string
	Version             string
}

// TestAddressConfig says where it listens.
type TestAddressConfig struct{ HTTP string }

// TestAuditConfig is of the enterprise edition.
type TestAuditConfig struct{ Enabled bool }

// TestPeeringConfig turns peering on.
type TestPeeringConfig struct{ Enabled bool }

// TestAutopilotConfig says when a new server may vote.
type TestAutopilotConfig struct{ ServerStabilizationTime string }

// Locality is where a node stands.
type Locality struct{ Region, Zone string }

// TestACLs turns access control on.
type TestACLs struct {
	Enabled       bool
	DefaultPolicy string
	Tokens        TestTokens
}

// TestTokens are the tokens that a server starts with.
type TestTokens struct{ InitialManagement, Agent string }

// ServerConfigCallback changes the settings before the server starts.
type ServerConfigCallback func(c *TestServerConfig)
