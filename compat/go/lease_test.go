package compat

import (
	"context"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func grant(t *testing.T, client *clientv3.Client, seconds int64) clientv3.LeaseID {
	t.Helper()
	answer, err := client.Grant(limit(t), seconds)
	must(t, err)
	equal(t, answer.TTL, seconds, "granted seconds")
	equal(t, answer.ID != 0, true, "an id")
	return answer.ID
}

func TestLeaseLife(t *testing.T) {
	clients, p := each(t), prefix(t)
	id := grant(t, clients[0], 120)
	put(t, clients[1], p+"a", "1", clientv3.WithLease(id))
	put(t, clients[2], p+"b", "2", clientv3.WithLease(id))
	for _, client := range clients {
		left, err := client.TimeToLive(limit(t), id, clientv3.WithAttachedKeys())
		must(t, err)
		equal(t, left.GrantedTTL, 120, "granted")
		equal(t, left.TTL > 100 && left.TTL <= 120, true, "left")
		equal(t, len(left.Keys), 2, "keys")
		bare, err := client.TimeToLive(limit(t), id)
		must(t, err)
		equal(t, len(bare.Keys), 0, "keys that were not asked for")
		eventually(t, "listed", func() bool { return listed(t, client, id) })
		got, err := client.Get(limit(t), p+"a")
		must(t, err)
		equal(t, clientv3.LeaseID(got.Kvs[0].Lease), id, "lease of the key")
	}
	watch := watching(t, clients[0], p, clientv3.WithPrefix(), clientv3.WithCreatedNotify(), clientv3.WithPrevKV())
	receive(t, watch, "created")
	_, err := clients[1].Revoke(limit(t), id)
	must(t, err)
	gone := events(t, watch, 2)
	equal(t, gone[0].Type, clientv3.EventTypeDelete, "deleted")
	equal(t, gone[0].Kv.ModRevision, gone[1].Kv.ModRevision, "in one revision")
	equal(t, string(gone[0].Kv.Key)+string(gone[1].Kv.Key), p+"a"+p+"b", "in order of keys")
	for _, client := range clients {
		eventually(t, "no longer listed", func() bool { return !listed(t, client, id) })
	}
}

func listed(t *testing.T, client *clientv3.Client, id clientv3.LeaseID) bool {
	t.Helper()
	answer, err := client.Leases(limit(t))
	must(t, err)
	for _, lease := range answer.Leases {
		if lease.ID == id {
			return true
		}
	}
	return false
}

func TestUnknownLease(t *testing.T) {
	for _, client := range each(t) {
		const unknown = 0x7eadbeef
		_, err := client.Revoke(limit(t), unknown)
		is(t, err, rpctypes.ErrLeaseNotFound)
		_, err = client.KeepAliveOnce(limit(t), unknown)
		is(t, err, rpctypes.ErrLeaseNotFound)
		left, err := client.TimeToLive(limit(t), unknown)
		must(t, err)
		equal(t, left.TTL, -1, "left")
		channel, err := client.KeepAlive(limit(t), unknown)
		must(t, err)
		select {
		case answer, open := <-channel:
			equal(t, open, false, fmt.Sprintf("keepalive of nothing: %v", answer))
		case <-time.After(patience):
			t.Fatal("keepalive of nothing does not end")
		}
	}
}

func TestLeaseIDs(t *testing.T) {
	client := all(t)
	// The official client lets the server choose ids: to choose one, its inner stub is asked.
	chosen := &pb.LeaseGrantRequest{ID: time.Now().UnixNano() & 0x7fffffff, TTL: 60}
	stub := pb.NewLeaseClient(client.ActiveConnection())
	answer, err := stub.LeaseGrant(limit(t), chosen)
	must(t, err)
	equal(t, answer.ID, chosen.ID, "chosen id")
	_, err = stub.LeaseGrant(limit(t), chosen)
	is(t, rpctypes.Error(err), rpctypes.ErrLeaseExist)
	_, err = client.Revoke(limit(t), clientv3.LeaseID(chosen.ID))
	must(t, err)

	first, second := grant(t, client, 60), grant(t, client, 60)
	equal(t, first != second, true, "ids differ")
	for _, id := range []clientv3.LeaseID{first, second} {
		_, err := client.Revoke(limit(t), id)
		must(t, err)
		_, err = client.Revoke(limit(t), id)
		is(t, err, rpctypes.ErrLeaseNotFound)
	}
	_, err = client.Grant(limit(t), 9_000_000_001)
	is(t, err, rpctypes.ErrLeaseTTLTooLarge)
}

func TestKeepAliveHoldsALeaseThroughEachNode(t *testing.T) {
	p := prefix(t)
	clients := each(t)
	var stops []context.CancelFunc
	for i, client := range clients {
		id := grant(t, client, 2)
		put(t, client, fmt.Sprint(p, i), "v", clientv3.WithLease(id))
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		stops = append(stops, stop)
		channel, err := clients[(i+1)%3].KeepAlive(ctx, id)
		must(t, err)
		answer := receive(t, channel, "keepalive")
		equal(t, answer.TTL, 2, "seconds")
		equal(t, answer.ID, id, "id")
		go func() {
			for range channel {
			}
		}()
	}
	time.Sleep(4500 * time.Millisecond)
	got, err := clients[0].Get(limit(t), p, clientv3.WithPrefix(), clientv3.WithCountOnly())
	must(t, err)
	equal(t, got.Count, 3, "kept keys")
	for _, stop := range stops {
		stop()
	}
	eventually(t, "they expire", func() bool {
		got, err := clients[0].Get(limit(t), p, clientv3.WithPrefix(), clientv3.WithCountOnly())
		must(t, err)
		return got.Count == 0
	})
}

func TestExpiryIsNotEarly(t *testing.T) {
	client, p := all(t), prefix(t)
	began := time.Now()
	id := grant(t, client, 2)
	put(t, client, p+"k", "v", clientv3.WithLease(id))
	watch := watching(t, client, p+"k", clientv3.WithFilterPut())
	equal(t, events(t, watch, 1)[0].Type, clientv3.EventTypeDelete, "deleted")
	took := time.Since(began)
	if took < 2*time.Second || took > 8*time.Second {
		t.Fatalf("a lease of 2 s ended after %v", took)
	}
	_, err := client.KeepAliveOnce(limit(t), id)
	is(t, err, rpctypes.ErrLeaseNotFound)
}
