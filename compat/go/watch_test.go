package compat

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// watching starts a watch that ends with the test.
func watching(t *testing.T, client *clientv3.Client, key string, options ...clientv3.OpOption) clientv3.WatchChan {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return client.Watch(clientv3.WithRequireLeader(ctx), key, options...)
}

// events takes this many events from the channel.
func events(t *testing.T, from clientv3.WatchChan, count int) []*clientv3.Event {
	t.Helper()
	var got []*clientv3.Event
	for len(got) < count {
		answer := receive(t, from, fmt.Sprintf("event %d of %d", len(got)+1, count))
		must(t, answer.Err())
		got = append(got, answer.Events...)
	}
	equal(t, len(got), count, "events")
	return got
}

func TestWatchFromNow(t *testing.T) {
	clients, p := each(t), prefix(t)
	for _, client := range clients {
		// Now is the node's own now: after a linearizable read it knows what was written before.
		_, err := client.Get(limit(t), p)
		must(t, err)
		watch := watching(t, client, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		equal(t, receive(t, watch, "created").Created, true, "created")
		for writer := range clients {
			revision := put(t, clients[writer], fmt.Sprint(p, writer), "v")
			got := events(t, watch, 1)[0]
			equal(t, got.Kv.ModRevision, revision, "revision")
			equal(t, got.IsCreate(), got.Kv.CreateRevision == revision, "create")
		}
	}
}

func TestWatchPrevKVAndFilters(t *testing.T) {
	client, p := all(t), prefix(t)
	first := put(t, client, p+"k", "1")
	put(t, client, p+"k", "2")
	_, err := client.Delete(limit(t), p+"k")
	must(t, err)
	from := clientv3.WithRev(first)
	got := events(t, watching(t, client, p+"k", from, clientv3.WithPrevKV()), 3)
	equal(t, got[0].PrevKv == nil, true, "nothing before the first")
	equal(t, string(got[1].PrevKv.Value), "1", "before the second")
	equal(t, got[1].IsModify(), true, "modify")
	equal(t, got[2].Type, clientv3.EventTypeDelete, "delete")
	equal(t, string(got[2].PrevKv.Value), "2", "before the delete")

	noPut := events(t, watching(t, client, p+"k", from, clientv3.WithFilterPut()), 1)
	equal(t, noPut[0].Type, clientv3.EventTypeDelete, "without puts")
	noDelete := watching(t, client, p+"k", from, clientv3.WithFilterDelete())
	equal(t, string(events(t, noDelete, 2)[1].Kv.Value), "2", "without deletes")
	put(t, client, p+"k", "3")
	equal(t, string(events(t, noDelete, 1)[0].Kv.Value), "3", "without deletes, live")
}

func TestWatchIsAtomicPerRevisionAndInOrder(t *testing.T) {
	clients, p := each(t), prefix(t)
	start := put(t, clients[0], p+"start", "v")
	live := watching(t, clients[1], p, clientv3.WithPrefix(), clientv3.WithRev(start+1))
	const batches, size = 40, 50
	for batch := 0; batch < batches; batch++ {
		operations := make([]clientv3.Op, size)
		for i := range operations {
			operations[i] = clientv3.OpPut(fmt.Sprintf("%s%02d", p, i), fmt.Sprint(batch))
		}
		_, err := clients[batch%3].Txn(limit(t)).Then(operations...).Commit()
		must(t, err)
	}
	late := watching(t, clients[2], p, clientv3.WithPrefix(), clientv3.WithRev(start+1))
	for _, watch := range []clientv3.WatchChan{live, late} {
		for seen := 0; seen < batches*size; {
			answer := receive(t, watch, "events")
			must(t, answer.Err())
			// Without fragments every revision comes whole: each answer is a number of full batches.
			equal(t, len(answer.Events)%size, 0, "a part of a revision")
			for _, event := range answer.Events {
				equal(t, string(event.Kv.Value), fmt.Sprint(seen/size), "batch")
				equal(t, string(event.Kv.Key), fmt.Sprintf("%s%02d", p, seen%size), "order in it")
				equal(t, event.Kv.ModRevision, start+1+int64(seen/size), "revision")
				seen++
			}
		}
	}
}

func TestWatchFragments(t *testing.T) {
	client, p := all(t), prefix(t)
	// 100 values of 40 kB are more than one gRPC message: only fragments bring them to small readers.
	large := strings.Repeat("x", 40_000)
	var start int64
	for i := 0; i < 100; i++ {
		revision := put(t, client, fmt.Sprintf("%s%03d", p, i), large)
		if start == 0 {
			start = revision
		}
	}
	watch := watching(t, client, p, clientv3.WithPrefix(), clientv3.WithRev(start), clientv3.WithFragment())
	for i, event := range events(t, watch, 100) {
		equal(t, string(event.Kv.Key), fmt.Sprintf("%s%03d", p, i), "key")
		equal(t, len(event.Kv.Value), len(large), "size")
	}
}

func TestWatchCompacted(t *testing.T) {
	p := prefix(t)
	for _, client := range each(t) {
		old := put(t, client, p+"k", "old")
		kept := put(t, client, p+"k", "new")
		_, err := client.Compact(limit(t), kept)
		must(t, err)
		watch := watching(t, client, p+"k", clientv3.WithRev(old))
		answer := receive(t, watch, "cancel")
		is(t, answer.Err(), rpctypes.ErrCompacted)
		equal(t, answer.CompactRevision, kept, "compact revision")
		equal(t, answer.Canceled, true, "canceled")
		if _, open := <-watch; open {
			t.Fatal("the channel is still open")
		}
		// As programs do it: go on from the revision told.
		resumed := events(t, watching(t, client, p+"k", clientv3.WithRev(answer.CompactRevision)), 1)
		equal(t, string(resumed[0].Kv.Value), "new", "resumed")
	}
}

func TestWatchLiveGoesOnAfterCompaction(t *testing.T) {
	client, p := all(t), prefix(t)
	first := put(t, client, p+"k", "1")
	watch := watching(t, client, p+"k", clientv3.WithRev(first))
	events(t, watch, 1)
	kept := put(t, client, p+"k", "2")
	events(t, watch, 1)
	_, err := client.Compact(limit(t), kept)
	must(t, err)
	put(t, client, p+"k", "3")
	equal(t, string(events(t, watch, 1)[0].Kv.Value), "3", "after it")
}

func TestWatchInTheFuture(t *testing.T) {
	client, p := all(t), prefix(t)
	now := put(t, client, p+"k", "0")
	watch := watching(t, client, p+"k", clientv3.WithRev(now+3), clientv3.WithCreatedNotify())
	equal(t, receive(t, watch, "created").Created, true, "created")
	for i := 1; i <= 4; i++ {
		put(t, client, p+"k", fmt.Sprint(i))
	}
	got := events(t, watch, 2)
	equal(t, string(got[0].Kv.Value)+string(got[1].Kv.Value), "34", "values")
}

func TestWatchProgressOnRequest(t *testing.T) {
	p := prefix(t)
	for _, client := range each(t) {
		ctx, cancel := context.WithCancel(context.Background())
		watch := client.Watch(ctx, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		equal(t, receive(t, watch, "created").Created, true, "created")
		var written, seen int64
		for i := 0; i < 20; i++ {
			written = put(t, client, p+"k", fmt.Sprint(i))
		}
		// Progress says that everything up to its revision was sent: it must not overtake events.
		for progress := int64(0); progress < written; {
			must(t, client.RequestProgress(ctx))
			answer := receive(t, watch, "progress")
			must(t, answer.Err())
			for _, event := range answer.Events {
				seen = event.Kv.ModRevision
			}
			if answer.IsProgressNotify() {
				progress = answer.Header.Revision
				if progress >= written {
					equal(t, seen, written, "events before their progress")
				}
			}
		}
		cancel()
	}
}

func TestManyWatchesOnOneStream(t *testing.T) {
	client, p := all(t), prefix(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const count = 200
	var start int64 = put(t, client, p+"start", "v") + 1
	watches := make([]clientv3.WatchChan, count)
	for i := range watches {
		watches[i] = client.Watch(ctx, fmt.Sprintf("%s%03d", p, i), clientv3.WithRev(start))
	}
	for i := range watches {
		put(t, client, fmt.Sprintf("%s%03d", p, i), fmt.Sprint(i))
	}
	for i, watch := range watches {
		equal(t, string(events(t, watch, 1)[0].Kv.Value), fmt.Sprint(i), "value")
	}
}

func TestWatchCancel(t *testing.T) {
	client, p := all(t), prefix(t)
	ctx, cancel := context.WithCancel(context.Background())
	watch := client.Watch(ctx, p+"k", clientv3.WithCreatedNotify())
	other := watching(t, client, p+"k", clientv3.WithCreatedNotify())
	receive(t, watch, "created")
	receive(t, other, "created")
	cancel()
	for range watch { // ends when it is closed
	}
	put(t, client, p+"k", "v")
	equal(t, string(events(t, other, 1)[0].Kv.Value), "v", "the other goes on")
}

func TestASlowWatcherLosesNothing(t *testing.T) {
	client, p := all(t), prefix(t)
	watch := watching(t, client, p, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	receive(t, watch, "created")
	block := strings.Repeat("x", 10_000)
	var last int64
	for i := 0; i < 500; i++ {
		last = put(t, client, fmt.Sprint(p, i%10), block)
	}
	time.Sleep(200 * time.Millisecond)
	var previous int64
	for _, event := range events(t, watch, 500) {
		equal(t, event.Kv.ModRevision > previous, true, "order")
		previous = event.Kv.ModRevision
	}
	equal(t, previous, last, "last")
}
