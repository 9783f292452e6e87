package compat

import (
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/ordering"
)

func TestMembersAndSync(t *testing.T) {
	var ids []uint64
	for i, client := range each(t) {
		answer, err := client.MemberList(limit(t))
		must(t, err)
		equal(t, len(answer.Members), 3, "members")
		var now []uint64
		for _, member := range answer.Members {
			equal(t, member.Name != "" && len(member.ClientURLs) > 0 && len(member.PeerURLs) > 0, true, member.String())
			now = append(now, member.ID)
		}
		slices.Sort(now)
		equal(t, i == 0 || slices.Equal(ids, now), true, "the same ids from every node")
		ids = now

		// A client that knew one node learns of all.
		must(t, client.Sync(limit(t)))
		var bare []string
		for _, url := range client.Endpoints() {
			bare = append(bare, strings.TrimPrefix(url, "http://"))
		}
		slices.Sort(bare)
		known := slices.Clone(endpoints(t))
		slices.Sort(known)
		equal(t, strings.Join(bare, ","), strings.Join(known, ","), "endpoints")
		put(t, client, prefix(t)+"k", "v")
	}
}

func TestStatus(t *testing.T) {
	client := all(t)
	put(t, client, prefix(t)+"k", "v")
	leaders, members := map[uint64]bool{}, map[uint64]bool{}
	for _, endpoint := range endpoints(t) {
		status, err := client.Status(limit(t), endpoint)
		must(t, err)
		equal(t, strings.HasPrefix(status.Version, "3."), true, status.Version)
		equal(t, status.DbSize > 0, true, "size")
		equal(t, status.RaftTerm > 0 && status.RaftIndex > 0 && status.RaftAppliedIndex > 0, true, "raft")
		equal(t, status.Header.Revision > 0, true, "revision")
		equal(t, len(status.Errors), 0, "errors")
		leaders[status.Leader], members[status.Header.MemberId] = true, true
	}
	equal(t, len(leaders), 1, "leaders")
	equal(t, len(members), 3, "members")
	for leader := range leaders {
		equal(t, members[leader], true, "the leader is a member")
	}
}

func TestNamespace(t *testing.T) {
	client, p := all(t), prefix(t)
	kv := namespace.NewKV(client.KV, p)
	watcher := namespace.NewWatcher(client.Watcher, p)
	watch := watcher.Watch(limit(t), "k", clientv3.WithCreatedNotify())
	receive(t, watch, "created")
	_, err := kv.Put(limit(t), "k", "v")
	must(t, err)
	got, err := kv.Get(limit(t), "", clientv3.WithPrefix())
	must(t, err)
	equal(t, string(got.Kvs[0].Key), "k", "key inside")
	equal(t, string(receive(t, watch, "event").Events[0].Kv.Key), "k", "key of the event")
	outside, _ := value(t, client, p+"k")
	equal(t, outside, "v", "value outside")
}

func TestOrdering(t *testing.T) {
	client, p := all(t), prefix(t)
	kv := ordering.NewKV(client.KV, func(_ clientv3.Op, _ clientv3.OpResponse, last int64) error {
		t.Errorf("an answer older than revision %d", last)
		return nil
	})
	for round := 0; round < 50; round++ {
		_, err := kv.Put(limit(t), p+"k", "v")
		must(t, err)
		_, err = kv.Get(limit(t), p+"k")
		must(t, err)
	}
}

func TestLeasingCache(t *testing.T) {
	clients, p := each(t), prefix(t)
	first, closeFirst, err := leasing.NewKV(clients[0], p+"leases/")
	must(t, err)
	defer closeFirst()
	second, closeSecond, err := leasing.NewKV(clients[1], p+"leases/")
	must(t, err)
	defer closeSecond()
	_, err = first.Put(limit(t), p+"k", "1")
	must(t, err)
	for _, want := range []string{"1", "2", "3"} {
		got, err := first.Get(limit(t), p+"k")
		must(t, err)
		equal(t, string(got.Kvs[0].Value), want, "cached by the first")
		next := string(want[0] + 1)
		_, err = second.Put(limit(t), p+"k", next)
		must(t, err)
	}
}
