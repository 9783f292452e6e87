package compat

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func put(t *testing.T, client *api.Client, key, value string) {
	t.Helper()
	_, err := client.KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil)
	must(t, err)
}

func get(t *testing.T, client *api.Client, key string) *api.KVPair {
	t.Helper()
	pair, meta, err := client.KV().Get(key, nil)
	must(t, err)
	equal(t, meta.LastIndex > 0, true, "index, also of what is not there")
	return pair
}

func TestPutGetDelete(t *testing.T) {
	first, second, third := three(t)
	// Newer servers of Consul's own stumble over the odd ones.
	for _, key := range []string{name(t), name(t) + "/a b", name(t) + "/ç%2F+?#&=", name(t) + "//", name(t) + "/é/ü"} {
		equal(t, get(t, third, key) == nil, true, "nothing at "+key)
		pair := &api.KVPair{Key: key, Value: []byte{0, 255, '"'}, Flags: math.MaxUint64}
		_, err := first.KV().Put(pair, nil)
		must(t, err)
		got := get(t, second, key)
		equal(t, got.Key, key, "key")
		equal(t, bytes.Equal(got.Value, pair.Value), true, "value")
		equal(t, got.Flags, math.MaxUint64, "flags")
		equal(t, got.CreateIndex, got.ModifyIndex, "index of a new key")
		put(t, third, key, "")
		again := get(t, first, key)
		equal(t, len(again.Value), 0, "empty value")
		equal(t, again.CreateIndex, got.CreateIndex, "create index")
		equal(t, again.ModifyIndex > got.ModifyIndex, true, "modify index grows")
		_, err = second.KV().Delete(key, nil)
		must(t, err)
		equal(t, get(t, first, key) == nil, true, "it is gone")
	}
}

func TestListAndKeys(t *testing.T) {
	p := name(t) + "/"
	first, second, third := three(t)
	pairs, _, err := first.KV().List(p, nil)
	must(t, err)
	equal(t, len(pairs), 0, "pairs of nothing")
	for _, key := range []string{"b/2", "a", "b/1", "c/x/y", "b"} {
		put(t, second, p+key, key)
	}
	pairs, _, err = third.KV().List(p, nil)
	must(t, err)
	found := []string{}
	for _, pair := range pairs {
		found = append(found, string(pair.Value))
	}
	same(t, found, []string{"a", "b", "b/1", "b/2", "c/x/y"}, "pairs in order")
	keys, _, err := first.KV().Keys(p, "/", nil)
	must(t, err)
	same(t, keys, []string{p + "a", p + "b", p + "b/", p + "c/"}, "keys up to the separator")
	keys, _, err = first.KV().Keys(p+"b/", "", nil)
	must(t, err)
	same(t, keys, []string{p + "b/1", p + "b/2"}, "keys")
	_, err = second.KV().DeleteTree(p+"b", nil)
	must(t, err)
	keys, _, err = third.KV().Keys(p, "", nil)
	must(t, err)
	same(t, keys, []string{p + "a", p + "c/x/y"}, "keys after a tree was deleted")
}

func TestCheckAndSet(t *testing.T) {
	key := name(t)
	first, second, third := three(t)
	cas := func(client *api.Client, index uint64, value string) bool {
		done, _, err := client.KV().CAS(&api.KVPair{Key: key, Value: []byte(value), ModifyIndex: index}, nil)
		must(t, err)
		return done
	}
	equal(t, cas(first, 7, "early"), false, "of a key that is not there")
	equal(t, cas(second, 0, "1"), true, "creates")
	equal(t, cas(third, 0, "2"), false, "creates what is there")
	index := get(t, first, key).ModifyIndex
	equal(t, cas(second, index-1, "2"), false, "an old index")
	equal(t, cas(third, index, "2"), true, "the right index")
	equal(t, cas(first, index, "3"), false, "an index that was right")
	equal(t, string(get(t, second, key).Value), "2", "value")
	gone := func(index uint64) bool {
		done, _, err := first.KV().DeleteCAS(&api.KVPair{Key: key, ModifyIndex: index}, nil)
		must(t, err)
		return done
	}
	equal(t, gone(index), false, "deletes at an old index")
	equal(t, gone(get(t, third, key).ModifyIndex), true, "deletes at the right index")
	equal(t, get(t, second, key) == nil, true, "it is gone")
}

func TestOneOfManyWinsEachRound(t *testing.T) {
	key := name(t)
	clients := each(t)
	const workers, rounds = 6, 5
	done := make(chan error, workers)
	for worker := range workers {
		client := clients[worker%len(clients)]
		go func() {
			for range rounds {
				for {
					pair, _, err := client.KV().Get(key, nil)
					if err != nil {
						done <- err
						return
					}
					next := &api.KVPair{Key: key, Value: []byte("x")}
					if pair != nil {
						next.Value, next.ModifyIndex = append(pair.Value, 'x'), pair.ModifyIndex
					}
					swapped, _, err := client.KV().CAS(next, nil)
					if err != nil {
						done <- err
						return
					}
					if swapped {
						break
					}
				}
			}
			done <- nil
		}()
	}
	for range workers {
		soon(t, done, "a worker")
	}
	equal(t, len(get(t, clients[0], key).Value), workers*rounds, "increments")
}

func TestKeyIsWatchedFromBirthToDeath(t *testing.T) {
	t.Parallel()
	p := name(t) + "/"
	first, second, third := three(t)
	_, meta, err := third.KV().Get(p+"k", nil)
	must(t, err)
	_, tree, err := second.KV().List(p, nil)
	must(t, err)
	steps := []func() error{
		func() error { _, err := first.KV().Put(&api.KVPair{Key: p + "k", Value: []byte("1")}, nil); return err },
		func() error {
			_, err := second.KV().Put(&api.KVPair{Key: p + "k", Value: []byte("2")}, nil)
			return err
		},
		func() error { _, err := third.KV().Delete(p+"k", nil); return err },
		func() error { _, err := first.KV().Put(&api.KVPair{Key: p + "k", Value: []byte("3")}, nil); return err },
	}
	want := []string{"1", "2", "", "3"}
	for step, do := range steps {
		one, all := make(chan error, 1), make(chan error, 1)
		known, knownTree := meta.LastIndex, tree.LastIndex
		go func() {
			pair, next, err := third.KV().Get(p+"k", &api.QueryOptions{WaitIndex: known, WaitTime: time.Minute})
			if err == nil && (pair == nil) != (want[step] == "") {
				err = fmt.Errorf("step %d: there or not: %v", step, pair)
			} else if err == nil && pair != nil && string(pair.Value) != want[step] {
				err = fmt.Errorf("step %d: value %q", step, pair.Value)
			} else if err == nil && next.LastIndex <= known {
				err = fmt.Errorf("step %d: index %d after %d", step, next.LastIndex, known)
			}
			meta = next
			one <- err
		}()
		go func() {
			_, next, err := second.KV().List(p, &api.QueryOptions{WaitIndex: knownTree, WaitTime: time.Minute})
			if err == nil && next.LastIndex <= knownTree {
				err = fmt.Errorf("step %d: index of the tree %d after %d", step, next.LastIndex, knownTree)
			}
			tree = next
			all <- err
		}()
		time.Sleep(50 * time.Millisecond)
		began := time.Now()
		must(t, do())
		soon(t, one, "the key")
		soon(t, all, "the tree")
		equal(t, time.Since(began) < atOnce, true, "told at once")
	}
	began := time.Now()
	options := &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Second}
	put(t, first, p+"other", "")
	_, next, err := third.KV().Get(p+"k", options)
	must(t, err)
	equal(t, next.LastIndex, meta.LastIndex, "index without a change")
	equal(t, time.Since(began) > 800*time.Millisecond, true, "another key wakes nobody")
}

func TestBadPutsAreRefused(t *testing.T) {
	key := name(t)
	for _, client := range each(t) {
		big := &api.KVPair{Key: key, Value: make([]byte, 512*1024+1)}
		_, err := client.KV().Put(big, nil)
		refused(t, err, "413")
		big.Value = big.Value[1:]
		_, err = client.KV().Put(big, nil)
		must(t, err)
		_, _, err = client.KV().Acquire(&api.KVPair{Key: key, Session: "11111111-1111-1111-1111-111111111111"}, nil)
		refused(t, err, "500", "invalid session")
	}
	for _, query := range []string{"cas=1&acquire=x", "cas=1&release=x", "flags=nine", "cas=-1", "acquire="} {
		for _, address := range addresses(t) {
			request, err := http.NewRequest(http.MethodPut, "http://"+address+"/v1/kv/"+key+"?"+query, nil)
			must(t, err)
			answer, err := http.DefaultClient.Do(request)
			must(t, err)
			must(t, answer.Body.Close())
			equal(t, answer.StatusCode, http.StatusBadRequest, query)
		}
	}
}
