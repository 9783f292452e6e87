// Package compat uses a cluster as Go programs do, by etcd's own client, and checks what it answers.
//
// ENDPOINTS names the nodes, host:port by comma.
package compat

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const patience = 20 * time.Second

var runID = func() string {
	bytes := make([]byte, 4)
	if _, err := rand.Read(bytes); err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes)
}()

func endpoints(t *testing.T) []string {
	t.Helper()
	list := os.Getenv("ENDPOINTS")
	if list == "" {
		t.Fatal("ENDPOINTS is not set")
	}
	return strings.Split(list, ",")
}

// connect gives a client of these endpoints, closed with the test.
func connect(t *testing.T, endpoints ...string) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// all gives a client that balances over every node.
func all(t *testing.T) *clientv3.Client {
	t.Helper()
	return connect(t, endpoints(t)...)
}

// each gives one client for each node.
func each(t *testing.T) []*clientv3.Client {
	t.Helper()
	var clients []*clientv3.Client
	for _, endpoint := range endpoints(t) {
		clients = append(clients, connect(t, endpoint))
	}
	return clients
}

// prefix is where the test keeps its keys: nobody else does.
func prefix(t *testing.T) string {
	return fmt.Sprintf("compat/%s/%s/", runID, t.Name())
}

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
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

// put writes, and gives the revision.
func put(t *testing.T, client *clientv3.Client, key, value string, options ...clientv3.OpOption) int64 {
	t.Helper()
	answer, err := client.Put(limit(t), key, value, options...)
	must(t, err)
	return answer.Header.Revision
}

// value reads one key; "" and false if there is none.
func value(t *testing.T, client *clientv3.Client, key string) (string, bool) {
	t.Helper()
	answer, err := client.Get(limit(t), key)
	must(t, err)
	if len(answer.Kvs) == 0 {
		return "", false
	}
	return string(answer.Kvs[0].Value), true
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

// receive gives the next value of a channel that has to bring one.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case got, open := <-from:
		if !open {
			t.Fatalf("%s: the channel closed", what)
		}
		return got
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", what, patience)
		panic("unreachable")
	}
}
