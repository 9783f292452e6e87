package compat

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func save(t *testing.T, client *api.Client) []byte {
	t.Helper()
	file, meta, err := client.Snapshot().Save(nil)
	must(t, err)
	defer file.Close()
	saved, err := io.ReadAll(file)
	must(t, err)
	if meta.LastIndex == 0 || !meta.KnownLeader {
		t.Fatalf("saved at index %d, leader known: %v", meta.LastIndex, meta.KnownLeader)
	}
	return saved
}

// opened gives the files of a snapshot, which is looked at as Consul's own tools do.
func opened(t *testing.T, saved []byte) map[string][]byte {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(saved))
	must(t, err)
	files := map[string][]byte{}
	for archive := tar.NewReader(plain); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		files[head.Name], err = io.ReadAll(archive)
		must(t, err)
	}
}

func TestSnapshotIsAFileOfConsulsForm(t *testing.T) {
	client, _, _ := three(t)
	files := opened(t, save(t, client))
	equal(t, len(files), 3, "files")
	for line := range strings.Lines(string(files["SHA256SUMS"])) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		equal(t, sum, fmt.Sprintf("%x", sha256.Sum256(files[name])), "digest of "+name)
	}
	var meta struct {
		Version, Index, Term, Size int64
		ID                         string
	}
	must(t, json.Unmarshal(files["meta.json"], &meta))
	equal(t, meta.Size, int64(len(files["state.bin"])), "size")
	if meta.Version != 1 || meta.Index == 0 || meta.Term == 0 || meta.ID == "" {
		t.Fatalf("%+v", meta)
	}
}

func TestSnapshotBringsBackWhatWasAndWakesWhoWaits(t *testing.T) {
	one, two, other := three(t)
	n := name(t)
	register(t, one, &api.AgentServiceRegistration{
		ID: n + "-1", Name: n, Port: 80, Tags: []string{"a"}, Meta: map[string]string{"k": "v"},
		Check: &api.AgentServiceCheck{TTL: "60s", Status: api.HealthPassing},
	})
	session, _, err := one.Session().Create(&api.SessionEntry{TTL: "60s", Behavior: api.SessionBehaviorRelease}, nil)
	must(t, err)
	held, _, err := one.KV().Acquire(
		&api.KVPair{Key: n + "/lock", Value: []byte("mine"), Flags: 7, Session: session}, nil)
	must(t, err)
	equal(t, held, true, "locked")
	_, err = one.KV().Put(&api.KVPair{Key: n + "/same", Value: []byte("same")}, nil)
	must(t, err)
	same, _, err := one.KV().Get(n+"/same", nil)
	must(t, err)

	saved := save(t, two)

	must(t, one.Agent().ServiceDeregister(n+"-1"))
	register(t, one, &api.AgentServiceRegistration{ID: n + "-2", Name: n, Port: 81})
	_, err = one.Session().Destroy(session, nil)
	must(t, err)
	_, err = one.KV().Delete(n+"/lock", nil)
	must(t, err)
	_, err = one.KV().Put(&api.KVPair{Key: n + "/later", Value: []byte("later")}, nil)
	must(t, err)

	found, meta, err := other.Health().Service(n, "", false, &api.QueryOptions{RequireConsistent: true})
	must(t, err)
	equal(t, strings.Join(ids(found), " "), n+"-2", "before")
	type woken struct {
		entries []*api.ServiceEntry
		index   uint64
		err     error
	}
	waits := make(chan woken, 1)
	go func() {
		entries, now, err := other.Health().Service(n, "", false, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: patience})
		if err != nil {
			waits <- woken{err: err}
			return
		}
		waits <- woken{entries, now.LastIndex, nil}
	}()
	time.Sleep(200 * time.Millisecond)

	must(t, two.Snapshot().Restore(nil, bytes.NewReader(saved)))

	now := <-waits
	must(t, now.err)
	equal(t, strings.Join(ids(now.entries), " "), n+"-1", "after")
	if now.index <= meta.LastIndex {
		t.Fatalf("the index was %d, and is %d", meta.LastIndex, now.index)
	}
	service := now.entries[0]
	equal(t, fmt.Sprint(service.Service.Tags, service.Service.Meta), "[a] map[k:v]", "tags and metadata")
	equal(t, service.Checks.AggregatedStatus(), api.HealthPassing, "status")
	// It beats as before, and has been known all along.
	must(t, other.Agent().UpdateTTL("service:"+n+"-1", "alive", api.HealthPassing))

	lock, _, err := other.KV().Get(n+"/lock", nil)
	must(t, err)
	equal(t, fmt.Sprint(string(lock.Value), lock.Flags, lock.Session), fmt.Sprint("mine", 7, session), "lock")
	renewed, _, err := other.Session().Renew(session, nil)
	must(t, err)
	equal(t, renewed.ID, session, "session")
	later, _, err := other.KV().Get(n+"/later", nil)
	must(t, err)
	if later != nil {
		t.Fatalf("%+v is there", later)
	}
	// What was as it is again has not changed.
	unchanged, _, err := other.KV().Get(n+"/same", nil)
	must(t, err)
	equal(t, unchanged.ModifyIndex, same.ModifyIndex, "index of what is the same")

	// Once more changes nothing.
	_, before, err := other.Catalog().Nodes(nil)
	must(t, err)
	must(t, two.Snapshot().Restore(nil, bytes.NewReader(save(t, one))))
	_, after, err := other.Catalog().Nodes(nil)
	must(t, err)
	equal(t, after.LastIndex, before.LastIndex, "index of what is as it was")
	_, err = other.KV().DeleteTree(n, nil)
	must(t, err)
}

func TestSnapshotThatIsNoneChangesNothing(t *testing.T) {
	one, two, other := three(t)
	n := name(t)
	saved := save(t, one)
	_, err := one.KV().Put(&api.KVPair{Key: n, Value: []byte("here")}, nil)
	must(t, err)
	damaged := bytes.Clone(saved)
	// The checksum: elsewhere a bit may be one of several ways to say the same.
	damaged[len(damaged)-6] ^= 0x10
	for what, file := range map[string][]byte{
		"":                              {},
		"failed to decompress snapshot": []byte("not a snapshot"),
		"failed to ":                    damaged,
		"unexpected EOF":                saved[:len(saved)/2],
	} {
		err := two.Snapshot().Restore(nil, bytes.NewReader(file))
		if what == "unexpected EOF" {
			what = "failed to decompress snapshot"
		}
		refused(t, err, "400", what)
	}
	pair, _, err := other.KV().Get(n, nil)
	must(t, err)
	if pair == nil {
		t.Fatal("what was there is gone")
	}
	_, err = one.KV().Delete(n, nil)
	must(t, err)
}
