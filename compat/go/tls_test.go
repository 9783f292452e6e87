package compat

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
)

// certified gives a client of three nodes with TLS, as the holder of a certificate. `tls/run.py` starts
// them, and the users that its certificates name.
func certified(t *testing.T, name string) *clientv3.Client {
	t.Helper()
	certs := os.Getenv("TLS_CERTS")
	if certs == "" {
		t.Skip("TLS_CERTS is not set: tls/run.py sets it")
	}
	ca, err := os.ReadFile(filepath.Join(certs, "ca.crt"))
	must(t, err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("ca.crt has no certificate")
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(certs, name+".crt"), filepath.Join(certs, name+".key"))
	must(t, err)
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   strings.Split(os.Getenv("TLS_ENDPOINTS"), ","),
		DialTimeout: 5 * time.Second,
		Logger:      zap.NewNop(),
		TLS:         &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}},
	})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestTLSAllThatAClientDoes(t *testing.T) {
	client := certified(t, "root")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// By the addresses that the members name.
	must(t, client.Sync(ctx))
	for _, endpoint := range client.Endpoints() {
		if !strings.HasPrefix(endpoint, "https://") {
			t.Fatalf("a member says %s", endpoint)
		}
	}
	watch := client.Watch(ctx, "tls/"+runID, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watch
	large := strings.Repeat("x", 1<<20)
	_, err := client.Put(ctx, "tls/"+runID+"/large", large)
	must(t, err)
	if seen := <-watch; string(seen.Events[0].Kv.Value) != large {
		t.Fatal("the watch saw something else")
	}
	answer, err := client.Get(ctx, "tls/"+runID+"/large")
	must(t, err)
	if string(answer.Kvs[0].Value) != large {
		t.Fatal("something else was read")
	}
	session, err := concurrency.NewSession(client, concurrency.WithTTL(10))
	must(t, err)
	mutex := concurrency.NewMutex(session, "tls/"+runID+"/lock")
	must(t, mutex.Lock(ctx))
	must(t, mutex.Unlock(ctx))
	must(t, session.Close())
}

func TestTLSTheCertificateNamesTheUser(t *testing.T) {
	alice := certified(t, "alice")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := alice.Put(ctx, "a/go", "hers")
	must(t, err)
	_, err = alice.Put(ctx, "b/go", "not hers")
	if !errors.Is(err, rpctypes.ErrPermissionDenied) {
		t.Fatalf("she may not, and got %v", err)
	}
	watch := <-alice.Watch(ctx, "b/go")
	if watch.Err() == nil {
		t.Fatal("she may not watch what she may not read")
	}
}
