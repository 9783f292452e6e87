package compat

import (
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/sdk/testutil"
	"github.com/stretchr/testify/require"
)

// closedServer is a server of its own that lets nobody do anything, and the client of who may do everything.
func closedServer(t *testing.T) (*testutil.TestServer, *api.Client) {
	t.Helper()
	if os.Getenv("SERVER_BINARY") == "" {
		t.Skip("SERVER_BINARY is not set: there is no server to switch the ACL on")
	}
	server, err := testutil.NewTestServerConfigT(t, func(config *testutil.TestServerConfig) {
		config.ACL.Enabled = true
		config.ACL.DefaultPolicy = "deny"
	})
	must(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	client, err := api.NewClient(&api.Config{Address: server.HTTPAddr})
	must(t, err)
	first, _, err := client.ACL().Bootstrap()
	must(t, err)
	_, _, err = client.ACL().Bootstrap()
	require.ErrorContains(t, err, "ACL bootstrap no longer allowed (reset index: ")
	return server, with(t, server, first.SecretID)
}

func with(t *testing.T, server *testutil.TestServer, token string) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: server.HTTPAddr, Token: token})
	must(t, err)
	return client
}

// made gives a client whose token has these rules.
func made(t *testing.T, server *testutil.TestServer, root *api.Client, name, rules string) *api.Client {
	t.Helper()
	_, _, err := root.ACL().PolicyCreate(&api.ACLPolicy{Name: name, Rules: rules}, nil)
	must(t, err)
	token, _, err := root.ACL().TokenCreate(&api.ACLToken{
		Description: name,
		Policies:    []*api.ACLTokenPolicyLink{{Name: name}},
	}, nil)
	must(t, err)
	return with(t, server, token.SecretID)
}

// A team that registers its service and reads its settings, and sees nothing else.
func TestATeamSeesAndDoesWhatItsPolicySays(t *testing.T) {
	server, root := closedServer(t)
	_, err := root.KV().Put(&api.KVPair{Key: "web/limit", Value: []byte("1")}, nil)
	must(t, err)
	_, err = root.KV().Put(&api.KVPair{Key: "db/password", Value: []byte("2")}, nil)
	must(t, err)
	must(t, root.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "db", Port: 5432}))

	web := made(t, server, root, "web", `
		key_prefix "web/" { policy = "write" }
		key "web/locked" { policy = "read" }
		service "web" { policy = "write" }
		node_prefix "" { policy = "read" }
		session_prefix "" { policy = "write" }
	`)
	must(t, web.Agent().ServiceRegister(&api.AgentServiceRegistration{
		Name: "web", Port: 80, Check: &api.AgentServiceCheck{TTL: "1h"},
	}))
	must(t, web.Agent().UpdateTTL("service:web", "well", api.HealthPassing))
	err = web.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "db", Port: 1})
	require.ErrorContains(t, err, `403 (Permission denied: token with AccessorID '`)
	require.ErrorContains(t, err, `lacks permission 'service:write' on "db")`)
	require.ErrorContains(t, web.Agent().ServiceDeregister("db"), "Permission denied")

	services, meta, err := web.Catalog().Services(nil)
	must(t, err)
	require.Contains(t, services, "web")
	require.NotContains(t, services, "db")
	require.True(t, meta.ResultsFilteredByACLs)
	entries, _, err := web.Health().Service("web", "", true, nil)
	must(t, err)
	require.Len(t, entries, 1)
	entries, _, err = web.Health().Service("db", "", false, nil)
	must(t, err)
	require.Empty(t, entries)

	pairs, meta, err := web.KV().List("", nil)
	must(t, err)
	require.Len(t, pairs, 1)
	require.True(t, meta.ResultsFilteredByACLs)
	_, _, err = web.KV().Get("db/password", nil)
	require.ErrorContains(t, err, "Permission denied")
	_, err = web.KV().DeleteTree("", nil)
	require.ErrorContains(t, err, "Permission denied")
	_, err = web.KV().Put(&api.KVPair{Key: "web/locked"}, nil)
	require.ErrorContains(t, err, "Permission denied")
	ok, answer, _, err := web.Txn().Txn(api.TxnOps{
		{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "web/a", Value: []byte("x")}},
		{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "db/a", Value: []byte("x")}},
	}, nil)
	must(t, err)
	require.False(t, ok)
	require.Len(t, answer.Errors, 1)
	require.Equal(t, 1, answer.Errors[0].OpIndex)
	pair, _, err := root.KV().Get("web/a", nil)
	must(t, err)
	require.Nil(t, pair)

	lock, err := web.LockKey("web/lock")
	must(t, err)
	_, err = lock.Lock(nil)
	must(t, err)
	must(t, lock.Unlock())
}

// Rights that are taken away are gone for the very next request.
func TestATokenEndsAtOnce(t *testing.T) {
	server, root := closedServer(t)
	role, _, err := root.ACL().RoleCreate(&api.ACLRole{
		Name:              "apps",
		ServiceIdentities: []*api.ACLServiceIdentity{{ServiceName: "app"}},
	}, nil)
	must(t, err)
	token, _, err := root.ACL().TokenCreate(&api.ACLToken{
		Roles: []*api.ACLTokenRoleLink{{Name: "apps"}},
	}, nil)
	must(t, err)
	app := with(t, server, token.SecretID)
	must(t, app.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "app", Port: 80}))
	self, _, err := app.ACL().TokenReadSelf(nil)
	must(t, err)
	require.Equal(t, token.SecretID, self.SecretID)
	_, _, err = app.ACL().TokenList(nil)
	require.ErrorContains(t, err, "lacks permission 'acl:read'")

	_, err = root.ACL().RoleDelete(role.ID, nil)
	must(t, err)
	err = app.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "app", Port: 81})
	require.ErrorContains(t, err, "Permission denied")
	_, err = root.ACL().TokenDelete(token.AccessorID, nil)
	must(t, err)
	_, _, err = app.KV().Get("a", nil)
	require.ErrorContains(t, err, "403 (ACL not found)")

	read, _, err := root.ACL().TokenRead(token.AccessorID, nil)
	require.Nil(t, read)
	require.ErrorContains(t, err, "ACL not found")
	others, _, err := root.ACL().TokenList(nil)
	must(t, err)
	hidden := 0
	for _, other := range others {
		hidden += strings.Count(other.SecretID, "<hidden>")
	}
	// Only the one that asks, and nobody's, are shown with their secrets.
	require.Equal(t, len(others)-2, hidden)
}

// Who may nothing may nothing, by every method that is at hand.
func TestNobodyMayNothing(t *testing.T) {
	server, root := closedServer(t)
	nobody := with(t, server, "")
	_, err := root.KV().Put(&api.KVPair{Key: "a", Value: []byte("1")}, nil)
	must(t, err)
	nodes, _, err := nobody.Catalog().Nodes(nil)
	must(t, err)
	require.Empty(t, nodes)
	refused := map[string]error{}
	_, _, refused["kv get"] = nobody.KV().Get("a", nil)
	_, refused["kv put"] = nobody.KV().Put(&api.KVPair{Key: "a"}, nil)
	_, refused["kv delete"] = nobody.KV().Delete("a", nil)
	_, refused["self"] = nobody.Agent().Self()
	_, refused["session"] = func() (string, error) { id, _, err := nobody.Session().Create(nil, nil); return id, err }()
	_, _, refused["event"] = nobody.Event().Fire(&api.UserEvent{Name: "e"}, nil)
	_, _, refused["query"] = nobody.PreparedQuery().Create(&api.PreparedQueryDefinition{
		Name: "q", Service: api.ServiceQuery{Service: "s"},
	}, nil)
	_, _, refused["snapshot"] = nobody.Snapshot().Save(nil)
	_, refused["raft"] = nobody.Operator().RaftGetConfiguration(nil)
	_, _, refused["policies"] = nobody.ACL().PolicyList(nil)
	for what, err := range refused {
		require.ErrorContains(t, err, "Permission denied", what)
	}
}
