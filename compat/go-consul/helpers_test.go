// Package compat uses a cluster as Go programs do, by Consul's own client, and checks what it answers.
//
// ENDPOINTS names the nodes, host:port by comma. Any node takes any request, so the tests go from one to the next.
package compat

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	patience = 20 * time.Second
	// Within this a watcher is told of what happened, on a machine that is busy with other tests.
	atOnce = 2 * time.Second
)

var runID = func() string {
	bytes := make([]byte, 4)
	if _, err := rand.Read(bytes); err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes)
}()

func addresses(t *testing.T) []string {
	t.Helper()
	list := os.Getenv("ENDPOINTS")
	if list == "" {
		t.Fatal("ENDPOINTS is not set")
	}
	return strings.Split(list, ",")
}

// each gives one client for each node.
func each(t *testing.T) []*api.Client {
	t.Helper()
	var clients []*api.Client
	for _, endpoint := range addresses(t) {
		client, err := api.NewClient(&api.Config{Address: endpoint})
		must(t, err)
		clients = append(clients, client)
	}
	return clients
}

// three gives the clients of three nodes, which may be the same one.
func three(t *testing.T) (*api.Client, *api.Client, *api.Client) {
	t.Helper()
	clients := each(t)
	return clients[0], clients[1%len(clients)], clients[2%len(clients)]
}

// name is what the test calls its services, nodes and keys: nobody else does.
func name(t *testing.T) string {
	return fmt.Sprintf("compat-%s-%s", runID, strings.ReplaceAll(t.Name(), "/", "-"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, got, want T, what string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func same[T comparable](t *testing.T, got, want []T, what string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// refused demands an error that says all of `words`.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("not refused, which should have said %v", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Fatalf("refused with %q, which does not say %q", err, word)
		}
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// soon waits for the end of what another goroutine does.
func soon(t *testing.T, done <-chan error, what string) {
	t.Helper()
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", what, patience)
	}
}

// register registers a service with the agent, and takes it away with the end of the test.
func register(t *testing.T, client *api.Client, service *api.AgentServiceRegistration) {
	t.Helper()
	must(t, client.Agent().ServiceRegister(service))
	id := service.ID
	if id == "" {
		id = service.Name
	}
	t.Cleanup(func() { _ = client.Agent().ServiceDeregister(id) })
}

// ids gives the instances of an answer in its order.
func ids(entries []*api.ServiceEntry) []string {
	found := []string{}
	for _, entry := range entries {
		found = append(found, entry.Service.ID)
	}
	return found
}

// healthy gives the ids of those instances of a service that pass.
func healthy(t *testing.T, client *api.Client, service string) []string {
	t.Helper()
	entries, _, err := client.Health().Service(service, "", true, nil)
	must(t, err)
	return ids(entries)
}
