package compat

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestPutGetDelete(t *testing.T) {
	client, p := all(t), prefix(t)
	first := put(t, client, p+"k", "1")
	answer, err := client.Put(limit(t), p+"k", "2", clientv3.WithPrevKV())
	must(t, err)
	equal(t, string(answer.PrevKv.Value), "1", "previous value")
	equal(t, answer.PrevKv.ModRevision, first, "previous revision")
	equal(t, answer.Header.Revision > first, true, "revision grows")

	got, err := client.Get(limit(t), p+"k")
	must(t, err)
	kv := got.Kvs[0]
	equal(t, got.Count, 1, "count")
	equal(t, string(kv.Value), "2", "value")
	equal(t, kv.CreateRevision, first, "create revision")
	equal(t, kv.ModRevision, answer.Header.Revision, "mod revision")
	equal(t, kv.Version, 2, "version")

	deleted, err := client.Delete(limit(t), p, clientv3.WithPrefix(), clientv3.WithPrevKV())
	must(t, err)
	equal(t, deleted.Deleted, 1, "deleted")
	equal(t, string(deleted.PrevKvs[0].Value), "2", "deleted value")
	if _, found := value(t, client, p+"k"); found {
		t.Fatal("it is still there")
	}
}

func TestReadsThroughAnotherNodeSeeTheWrite(t *testing.T) {
	clients, p := each(t), prefix(t)
	for round := 0; round < 60; round++ {
		writer, reader := clients[round%3], clients[(round+1+round/3%2)%3]
		want := fmt.Sprint(round)
		put(t, writer, p+"k", want)
		got, _ := value(t, reader, p+"k")
		equal(t, got, want, "value")
	}
}

func TestSerializableReadAtTheNodeThatAnsweredTheWrite(t *testing.T) {
	p := prefix(t)
	for _, client := range each(t) {
		for round := 0; round < 20; round++ {
			revision := put(t, client, p+"k", "v")
			got, err := client.Get(limit(t), p+"k", clientv3.WithSerializable())
			must(t, err)
			equal(t, got.Kvs[0].ModRevision, revision, "revision")
		}
	}
}

func TestHeader(t *testing.T) {
	p := prefix(t)
	clusters, members := map[uint64]bool{}, map[uint64]bool{}
	for _, client := range each(t) {
		answer, err := client.Put(limit(t), p+"k", "v")
		must(t, err)
		header := answer.Header
		if header.ClusterId == 0 || header.MemberId == 0 || header.Revision == 0 || header.RaftTerm == 0 {
			t.Fatalf("a field is zero: %+v", header)
		}
		clusters[header.ClusterId], members[header.MemberId] = true, true
	}
	equal(t, len(clusters), 1, "cluster ids")
	equal(t, len(members), 3, "member ids")
}

func TestRangeOptions(t *testing.T) {
	client, p := all(t), prefix(t)
	var revisions []int64
	for _, key := range []string{"b", "d", "a", "c"} {
		revisions = append(revisions, put(t, client, p+key, "value of "+key))
	}
	revisions = append(revisions, put(t, client, p+"b", "again"))
	whole := clientv3.WithPrefix()
	get := func(options ...clientv3.OpOption) string {
		t.Helper()
		answer, err := client.Get(limit(t), p, append(options, whole)...)
		must(t, err)
		var keys strings.Builder
		for _, kv := range answer.Kvs {
			keys.WriteString(strings.TrimPrefix(string(kv.Key), p))
		}
		return fmt.Sprintf("%s %d %v", keys.String(), answer.Count, answer.More)
	}
	equal(t, get(), "abcd 4 false", "all")
	equal(t, get(clientv3.WithLimit(3)), "abc 4 true", "limit")
	equal(t, get(clientv3.WithCountOnly()), " 4 false", "count only")
	equal(t, get(clientv3.WithRev(revisions[1])), "bd 2 false", "revision")
	descend := clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend)
	equal(t, get(descend), "dcba 4 false", "sort by key")
	equal(t, get(descend, clientv3.WithLimit(1)), "d 4 true", "sort and limit")
	equal(t, get(clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend)), "bdac 4 false", "create")
	equal(t, get(clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend)), "bcad 4 false", "mod")
	equal(t, get(clientv3.WithSort(clientv3.SortByVersion, clientv3.SortDescend), clientv3.WithLimit(1)), "b 4 true", "version")
	equal(t, get(clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend)), "bacd 4 false", "value")
	// The count of the revision bounds is of the whole range: they filter what is sent.
	equal(t, get(clientv3.WithMinModRev(revisions[3])), "bc 4 false", "min mod")
	equal(t, get(clientv3.WithMaxModRev(revisions[2])), "ad 4 false", "max mod")
	equal(t, get(clientv3.WithMinCreateRev(revisions[2])), "ac 4 false", "min create")
	equal(t, get(clientv3.WithMaxCreateRev(revisions[1])), "bd 4 false", "max create")
	first, err := client.Get(limit(t), p, clientv3.WithFirstCreate()...)
	must(t, err)
	equal(t, string(first.Kvs[0].Key), p+"b", "first created")
	last, err := client.Get(limit(t), p, clientv3.WithLastRev()...)
	must(t, err)
	equal(t, string(last.Kvs[0].Key), p+"b", "last written")
	only, err := client.Get(limit(t), p, whole, clientv3.WithKeysOnly())
	must(t, err)
	equal(t, len(only.Kvs[0].Value), 0, "value with keys only")
}

func TestPagesAtOneRevision(t *testing.T) {
	client, p := all(t), prefix(t)
	for key := 0; key < 50; key++ {
		put(t, client, fmt.Sprintf("%s%02d", p, key), "old")
	}
	end, from, seen := clientv3.GetPrefixRangeEnd(p), p, 0
	var revision int64
	for {
		answer, err := client.Get(limit(t), from, clientv3.WithRange(end), clientv3.WithLimit(7), clientv3.WithRev(revision))
		must(t, err)
		if revision == 0 {
			revision = answer.Header.Revision
		}
		equal(t, answer.Count, int64(50-seen), "count of the rest")
		for _, kv := range answer.Kvs {
			equal(t, string(kv.Key)+string(kv.Value), fmt.Sprintf("%s%02dold", p, seen), "key")
			seen++
		}
		// Writes between pages must not show.
		put(t, client, fmt.Sprintf("%s%02d", p, 49), "new")
		put(t, client, fmt.Sprintf("%s%02dx", p, 48), "new")
		if !answer.More {
			break
		}
		from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
	}
	equal(t, seen, 50, "keys")
}

func TestCompaction(t *testing.T) {
	clients, p := each(t), prefix(t)
	old := put(t, clients[0], p+"k", "old")
	kept := put(t, clients[0], p+"k", "new")
	_, err := clients[1].Compact(limit(t), kept, clientv3.WithCompactPhysical())
	must(t, err)
	for _, client := range clients {
		_, err := client.Get(limit(t), p+"k", clientv3.WithRev(old))
		is(t, err, rpctypes.ErrCompacted)
		got, err := client.Get(limit(t), p+"k", clientv3.WithRev(kept))
		must(t, err)
		equal(t, string(got.Kvs[0].Value), "new", "value")
	}
	_, err = clients[0].Compact(limit(t), kept)
	is(t, err, rpctypes.ErrCompacted)
	_, err = clients[0].Compact(limit(t), kept+1_000_000)
	is(t, err, rpctypes.ErrFutureRev)
}

func TestErrors(t *testing.T) {
	p := prefix(t)
	for _, client := range each(t) {
		now := put(t, client, p+"k", "v")
		_, err := client.Put(limit(t), "", "v")
		is(t, err, rpctypes.ErrEmptyKey)
		_, err = client.Get(limit(t), p+"k", clientv3.WithRev(now+1_000_000))
		is(t, err, rpctypes.ErrFutureRev)
		_, err = client.Put(limit(t), p+"k", "v", clientv3.WithLease(0x7eadbeef))
		is(t, err, rpctypes.ErrLeaseNotFound)
		_, err = client.Put(limit(t), p+"none", "", clientv3.WithIgnoreValue())
		is(t, err, rpctypes.ErrKeyNotFound)
		_, err = client.Put(limit(t), p+"k", "v", clientv3.WithIgnoreValue())
		is(t, err, rpctypes.ErrValueProvided)
		_, err = client.Put(limit(t), p+"k", "v", clientv3.WithIgnoreLease(), clientv3.WithLease(1))
		is(t, err, rpctypes.ErrLeaseProvided)
		_, err = client.Put(limit(t), p+"k", strings.Repeat("x", 1_600_000))
		is(t, err, rpctypes.ErrRequestTooLarge)
		got, _ := value(t, client, p+"k")
		equal(t, got, "v", "nothing was changed")
	}
}

// is compares as users do: by etcd's own error values, which carry code and text.
func is(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
	var typed rpctypes.EtcdError
	if errors.As(got, &typed) {
		var wanted rpctypes.EtcdError
		errors.As(want, &wanted)
		equal(t, typed.Code(), wanted.Code(), "code")
	}
}
