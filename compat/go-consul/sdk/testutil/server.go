package testutil

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/sdk/testutil/retry"
)

const (
	readyWithin   = 20 * time.Second
	stoppedWithin = 10 * time.Second
)

// TestServer is one server alone, as a process of its own.
type TestServer struct {
	Config      *TestServerConfig
	HTTPAddr    string
	HTTPSAddr   string
	LANAddr     string
	WANAddr     string
	ServerAddr  string
	GRPCTLSAddr string

	directory string
	process   *exec.Cmd
	ended     chan error
}

// NewTestServerConfigT starts a server, and gives it when it knows its leader and lists itself.
func NewTestServerConfigT(t TestingTB, change ServerConfigCallback) (*TestServer, error) {
	config := &TestServerConfig{
		NodeName: fmt.Sprintf("node-%x", random()), Bootstrap: true, Server: true,
		Bind: "127.0.0.1", Addresses: &TestAddressConfig{}, Datacenter: "dc1",
	}
	if change != nil {
		change(config)
	}
	directory, err := os.MkdirTemp("", "hiraeth-go-consul-")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(directory, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	server := &TestServer{Config: config, HTTPAddr: ports[0], directory: directory}
	arguments := []string{"serve",
		"--name", config.NodeName, "--data-dir", filepath.Join(directory, "data"),
		"--listen-client", ports[0], "--listen-peer", ports[1], "--listen-http", ports[2]}
	rights, err := aclArguments(config.ACL, directory)
	if err != nil {
		return nil, err
	}
	server.process = exec.Command(os.Getenv("SERVER_BINARY"), append(arguments, rights...)...)
	server.process.Stdout, server.process.Stderr = log, log
	if err := server.process.Start(); err != nil {
		return nil, fmt.Errorf("SERVER_BINARY: %w", err)
	}
	server.ended = make(chan error, 1)
	go func() { server.ended <- server.process.Wait() }()
	if err := server.waitReady(); err != nil {
		text, _ := os.ReadFile(log.Name())
		_ = server.Stop()
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return server, nil
}

// aclArguments turns access control on, if it is asked for.
func aclArguments(acl TestACLs, directory string) ([]string, error) {
	if !acl.Enabled {
		return nil, nil
	}
	// Consul keeps secrets, and the tests read them.
	arguments := []string{"--acl", "on", "--acl-keep-secrets"}
	if acl.DefaultPolicy != "" {
		arguments = append(arguments, "--acl-default-policy", acl.DefaultPolicy)
	}
	if token := acl.Tokens.InitialManagement; token != "" {
		file := filepath.Join(directory, "initial-management-token")
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			return nil, err
		}
		arguments = append(arguments, "--acl-initial-management-token-file", file)
	}
	return arguments, nil
}

func random() []byte {
	bytes := make([]byte, 4)
	_, _ = rand.Read(bytes)
	return bytes
}

// freePorts gives loopback addresses that nobody listens at now.
func freePorts(count int) ([]string, error) {
	var found []string
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		found = append(found, listener.Addr().String())
	}
	return found, nil
}

// waitReady also learns what the tests compare with: the node's id, and the version.
func (s *TestServer) waitReady() error {
	var seen error
	for deadline := time.Now().Add(readyWithin); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("it ended: %w", err)
		default:
		}
		if acl := s.Config.ACL; acl.Enabled && acl.Tokens.InitialManagement == "" {
			// Nobody may ask anything yet: that it says so is all there is to wait for.
			var leader string
			refused := s.get("/v1/acl/tokens", nil)
			if seen = s.get("/v1/status/leader", &leader); leader != "" && refused != nil &&
				strings.HasPrefix(refused.Error(), "403") {
				return nil
			}
			continue
		}
		var services []any
		if seen = s.get("/v1/health/service/consul", &services); seen != nil || len(services) == 0 {
			continue
		}
		var self struct {
			Config struct{ NodeID, NodeName, Version string }
		}
		if seen = s.get("/v1/agent/self", &self); seen != nil {
			continue
		}
		// Another test may have been given the port as well, and was faster.
		if self.Config.NodeName != s.Config.NodeName {
			seen = fmt.Errorf("another server answers: %s", self.Config.NodeName)
			continue
		}
		s.Config.NodeID, s.Config.Version = self.Config.NodeID, self.Config.Version
		return nil
	}
	return fmt.Errorf("not ready within %v: %w", readyWithin, seen)
}

func (s *TestServer) get(path string, into any) error {
	request, err := http.NewRequest(http.MethodGet, "http://"+s.HTTPAddr+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-Consul-Token", s.Config.ACL.Tokens.InitialManagement)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// Stop ends the server, and removes what it wrote.
func (s *TestServer) Stop() error {
	defer os.RemoveAll(s.directory)
	_ = s.process.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		return err
	case <-time.After(stoppedWithin):
		_ = s.process.Process.Kill()
		return <-s.ended
	}
}

// WaitForLeader waits until there is a leader.
func (s *TestServer) WaitForLeader(t testing.TB) {
	retry.Run(t, func(r *retry.R) {
		var leader string
		r.Check(s.get("/v1/status/leader", &leader))
		if leader == "" {
			r.Fatal("nobody leads")
		}
	})
}

// WaitForSerfCheck waits until the node has its check.
func (s *TestServer) WaitForSerfCheck(t testing.TB) {
	retry.Run(t, func(r *retry.R) {
		var checks []struct{ CheckID string }
		r.Check(s.get("/v1/health/node/"+s.Config.NodeName, &checks))
		if len(checks) == 0 || !strings.HasPrefix(checks[0].CheckID, "serfHealth") {
			r.Fatalf("checks of the node: %v", checks)
		}
	})
}

// WaitForActiveCARoot is for the mesh, which is not built: the tests that need it are left out.
func (s *TestServer) WaitForActiveCARoot(testing.TB) {}

// WaitForServiceIntentions is for the mesh as well.
func (s *TestServer) WaitForServiceIntentions(testing.TB) {}

// WaitForVoting is for tests of several servers: they are left out.
func (s *TestServer) WaitForVoting(t testing.TB) { t.Fatal("a server of this kind is always alone") }

// JoinWAN is for tests of several datacenters: they are left out.
func (s *TestServer) JoinWAN(t testing.TB, _ string) { t.Fatal("there is one datacenter") }
