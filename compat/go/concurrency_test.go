package compat

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func session(t *testing.T, client *clientv3.Client, seconds int) *concurrency.Session {
	t.Helper()
	opened, err := concurrency.NewSession(client, concurrency.WithTTL(seconds))
	must(t, err)
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// together runs a function so many times at once, and fails the test by the first error.
func together(t *testing.T, count int, function func(number int) error) {
	t.Helper()
	var group sync.WaitGroup
	failures := make(chan error, count)
	for number := 0; number < count; number++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := function(number); err != nil {
				failures <- fmt.Errorf("%d: %w", number, err)
			}
		}()
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if t.Failed() {
		t.FailNow()
	}
}

func TestSession(t *testing.T) {
	client, p := all(t), prefix(t)
	opened := session(t, client, 2)
	put(t, client, p+"k", "v", clientv3.WithLease(opened.Lease()))
	time.Sleep(3500 * time.Millisecond)
	if _, found := value(t, client, p+"k"); !found {
		t.Fatal("an open session lost its key")
	}
	must(t, opened.Close())
	if _, found := value(t, client, p+"k"); found {
		t.Fatal("a closed session keeps its key")
	}
	closed(t, opened.Done(), "done")

	// A session whose lease is taken away notices.
	lost := session(t, client, 2)
	_, err := client.Revoke(limit(t), lost.Lease())
	must(t, err)
	closed(t, lost.Done(), "done after revoke")
}

func closed(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal(what)
	}
}

func TestMutexProtectsACounter(t *testing.T) {
	p := prefix(t)
	clients := each(t)
	put(t, clients[0], p+"counter", "0")
	const workers, rounds = 8, 10
	ctx := limit(t)
	together(t, workers, func(number int) error {
		client := clients[number%3]
		opened, err := concurrency.NewSession(client, concurrency.WithTTL(10))
		if err != nil {
			return err
		}
		defer opened.Close()
		mutex := concurrency.NewMutex(opened, p+"mutex")
		for round := 0; round < rounds; round++ {
			if err := mutex.Lock(ctx); err != nil {
				return err
			}
			got, err := client.Get(ctx, p+"counter")
			if err != nil {
				return err
			}
			count, err := strconv.Atoi(string(got.Kvs[0].Value))
			if err != nil {
				return err
			}
			// Nothing but the mutex makes these two steps one.
			if _, err := client.Put(ctx, p+"counter", fmt.Sprint(count+1)); err != nil {
				return err
			}
			if err := mutex.Unlock(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	got, _ := value(t, clients[0], p+"counter")
	equal(t, got, fmt.Sprint(workers*rounds), "counter")
}

func TestMutexTryLock(t *testing.T) {
	clients, p := each(t), prefix(t)
	first := concurrency.NewMutex(session(t, clients[0], 10), p+"mutex")
	second := concurrency.NewMutex(session(t, clients[1], 10), p+"mutex")
	must(t, first.TryLock(limit(t)))
	is(t, second.TryLock(limit(t)), concurrency.ErrLocked)
	equal(t, holds(t, clients[2], first.IsOwner()), true, "owner")
	must(t, first.Unlock(limit(t)))
	must(t, second.TryLock(limit(t)))
	equal(t, holds(t, clients[2], first.IsOwner()), false, "no longer the owner")
}

func TestMutexOfALostSession(t *testing.T) {
	clients, p := each(t), prefix(t)
	holder := session(t, clients[0], 60)
	must(t, concurrency.NewMutex(holder, p+"mutex").Lock(limit(t)))
	waiting, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	second := concurrency.NewMutex(session(t, clients[1], 10), p+"mutex")
	is(t, second.Lock(waiting), context.DeadlineExceeded)
	done := make(chan error, 1)
	go func() { done <- second.Lock(limit(t)) }()
	_, err := clients[2].Revoke(limit(t), holder.Lease())
	must(t, err)
	must(t, receive(t, done, "the lock"))
}

func TestElection(t *testing.T) {
	clients, p := each(t), prefix(t)
	name := p + "election"
	observer := concurrency.NewElection(session(t, clients[2], 10), name)
	ctx := limit(t)
	_, err := observer.Leader(ctx)
	is(t, err, concurrency.ErrElectionNoLeader)
	seen := observer.Observe(ctx)

	first := concurrency.NewElection(session(t, clients[0], 10), name)
	second := concurrency.NewElection(session(t, clients[1], 10), name)
	must(t, first.Campaign(ctx, "first"))
	equal(t, string(receive(t, seen, "first").Kvs[0].Value), "first", "observed")
	won := make(chan error, 1)
	go func() { won <- second.Campaign(ctx, "second") }()
	must(t, first.Proclaim(ctx, "first again"))
	equal(t, string(receive(t, seen, "proclaimed").Kvs[0].Value), "first again", "observed")
	eventually(t, "the second is a candidate", func() bool {
		got, err := clients[2].Get(ctx, name+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		must(t, err)
		return got.Count == 2
	})
	select {
	case err := <-won:
		t.Fatalf("two leaders: %v", err)
	default:
	}
	must(t, first.Resign(ctx))
	must(t, receive(t, won, "the second wins"))
	equal(t, string(receive(t, seen, "second").Kvs[0].Value), "second", "observed")
	leader, err := observer.Leader(ctx)
	must(t, err)
	equal(t, string(leader.Kvs[0].Key), second.Key(), "leader")
	is(t, first.Proclaim(ctx, "late"), concurrency.ErrElectionNotLeader)
	must(t, second.Resign(ctx))
	_, err = observer.Leader(ctx)
	is(t, err, concurrency.ErrElectionNoLeader)
}

func TestSTMTransfersKeepTheSum(t *testing.T) {
	clients, p := each(t), prefix(t)
	const accounts, start, transfers = 5, 100, 15
	account := func(number int) string { return fmt.Sprint(p, "account", number) }
	for number := 0; number < accounts; number++ {
		put(t, clients[0], account(number), fmt.Sprint(start))
	}
	// Repeatable reads are serializable ones: a node that lags would not know an account at all.
	for _, client := range clients {
		value(t, client, account(accounts-1))
	}
	levels := []concurrency.Isolation{
		concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads,
	}
	ctx := limit(t)
	together(t, 6, func(worker int) error {
		for i := 0; i < transfers; i++ {
			from := rand.IntN(accounts)
			to := (from + 1 + rand.IntN(accounts-1)) % accounts
			_, err := concurrency.NewSTM(clients[worker%3], func(stm concurrency.STM) error {
				source, err := strconv.Atoi(stm.Get(account(from)))
				if err != nil {
					return err
				}
				target, err := strconv.Atoi(stm.Get(account(to)))
				if err != nil {
					return err
				}
				amount := min(source, 1+rand.IntN(50))
				stm.Put(account(from), fmt.Sprint(source-amount))
				stm.Put(account(to), fmt.Sprint(target+amount))
				return nil
			}, concurrency.WithIsolation(levels[worker%len(levels)]), concurrency.WithAbortContext(ctx))
			if err != nil {
				return err
			}
			// Every snapshot on the way keeps the sum too.
			got, err := clients[(worker+1)%3].Get(ctx, p, clientv3.WithPrefix())
			if err != nil {
				return err
			}
			sum := 0
			for _, kv := range got.Kvs {
				amount, _ := strconv.Atoi(string(kv.Value))
				if amount < 0 {
					return errors.New("a negative account")
				}
				sum += amount
			}
			if sum != accounts*start {
				return fmt.Errorf("the sum is %d", sum)
			}
		}
		return nil
	})
}
