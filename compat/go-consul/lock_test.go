package compat

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// lock gives a lock that a client would take with LockKey, but for a lock delay that a test can wait for.
func lock(t *testing.T, client *api.Client, key string) *api.Lock {
	t.Helper()
	lock, err := client.LockOpts(&api.LockOptions{Key: key, LockDelay: time.Second, LockWaitTime: 2 * time.Second})
	must(t, err)
	return lock
}

func TestLockKeyGoesFromHandToHand(t *testing.T) {
	key := name(t)
	first, second, third := three(t)
	one, err := first.LockKey(key)
	must(t, err)
	lost, err := one.Lock(nil)
	must(t, err)
	pair := get(t, third, key)
	equal(t, pair.LockIndex, 1, "lock index")
	equal(t, pair.Flags, api.LockFlagValue, "flags")
	equal(t, pair.Session != "", true, "a session holds it")

	two := lock(t, second, key)
	held := make(chan error, 1)
	go func() { _, err := two.Lock(nil); held <- err }()
	select {
	case err := <-held:
		t.Fatalf("two hold it: %v", err)
	case <-lost:
		t.Fatal("the first lost it")
	case <-time.After(500 * time.Millisecond):
	}
	began := time.Now()
	must(t, one.Unlock())
	soon(t, held, "the second takes it")
	equal(t, time.Since(began) < atOnce, true, "taken at once")
	equal(t, get(t, first, key).LockIndex, 2, "lock index")
	equal(t, one.Destroy(), api.ErrLockInUse, "destroying what is held")
	must(t, two.Unlock())
	must(t, one.Destroy())
	equal(t, get(t, third, key) == nil, true, "the key is gone")
}

func TestHolderIsToldWhenItsSessionEnds(t *testing.T) {
	t.Parallel()
	key := name(t)
	first, second, third := three(t)
	one := lock(t, first, key)
	lost, err := one.Lock(nil)
	must(t, err)
	session := get(t, second, key).Session
	_, err = third.Session().Destroy(session, nil)
	must(t, err)
	began := time.Now()
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("the holder was not told")
	}
	equal(t, time.Since(began) < atOnce, true, "told at once")
	equal(t, get(t, first, key).Session, "", "nobody holds it")

	// Not for the lock delay of the session that ended.
	other, _, err := second.Session().CreateNoChecks(nil, nil)
	must(t, err)
	defer func() { _, _ = second.Session().Destroy(other, nil) }()
	acquire := func() bool {
		done, _, err := third.KV().Acquire(&api.KVPair{Key: key, Session: other, Flags: api.LockFlagValue}, nil)
		must(t, err)
		return done
	}
	equal(t, acquire(), false, "taken within the lock delay")
	eventually(t, "taken after the lock delay", acquire)
	equal(t, time.Since(began) > 900*time.Millisecond, true, "the lock delay was kept")
}

func TestSemaphoreLetsInAsManyAsItSays(t *testing.T) {
	p := name(t)
	clients := each(t)
	var semaphores []*api.Semaphore
	for worker := range 3 {
		semaphore, err := clients[worker%len(clients)].SemaphorePrefix(p, 2)
		must(t, err)
		semaphores = append(semaphores, semaphore)
	}
	for _, semaphore := range semaphores[:2] {
		lost, err := semaphore.Acquire(nil)
		must(t, err)
		equal(t, lost != nil, true, "a slot")
	}
	in := make(chan error, 1)
	go func() { _, err := semaphores[2].Acquire(nil); in <- err }()
	select {
	case err := <-in:
		t.Fatalf("three are in: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	began := time.Now()
	must(t, semaphores[0].Release())
	soon(t, in, "the third")
	equal(t, time.Since(began) < atOnce, true, "in at once")
	must(t, semaphores[1].Release())
	must(t, semaphores[2].Release())
	must(t, semaphores[0].Destroy())
}
