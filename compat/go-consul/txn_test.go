package compat

import (
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestTransactionDoesAllOrNothing(t *testing.T) {
	p := name(t) + "/"
	first, second, third := three(t)
	put(t, first, p+"there", "1")
	index := get(t, second, p+"there").ModifyIndex
	kv := func(verb api.KVOp, key, value string, index uint64) *api.KVTxnOp {
		return &api.KVTxnOp{Verb: verb, Key: p + key, Value: []byte(value), Index: index}
	}
	done, answer, _, err := third.KV().Txn(api.KVTxnOps{
		kv(api.KVSet, "new", "a", 0),
		kv(api.KVCAS, "there", "2", index),
		kv(api.KVGet, "new", "", 0),
		kv(api.KVCheckNotExists, "none", "", 0),
	}, nil)
	must(t, err)
	equal(t, done, true, "done")
	equal(t, len(answer.Results), 3, "results")
	equal(t, len(answer.Results[0].Value), 0, "a write shows no value")
	equal(t, string(answer.Results[2].Value), "a", "a read sees the write before it")
	equal(t, answer.Results[0].ModifyIndex, answer.Results[1].ModifyIndex, "one index for all of it")
	equal(t, string(get(t, first, p+"there").Value), "2", "value")

	done, answer, _, err = first.KV().Txn(api.KVTxnOps{
		kv(api.KVSet, "new", "b", 0),
		kv(api.KVCAS, "there", "3", index),
		kv(api.KVGet, "none", "", 0),
		kv(api.KVDelete, "new", "", 0),
	}, nil)
	must(t, err)
	equal(t, done, false, "done")
	equal(t, len(answer.Results), 0, "results")
	equal(t, len(answer.Errors), 2, "every failing operation is named")
	equal(t, answer.Errors[0].OpIndex, 1, "the first that failed")
	equal(t, answer.Errors[1].OpIndex, 2, "the second that failed")
	refused(t, errorOf(answer.Errors[1].What), "doesn't exist")
	equal(t, string(get(t, second, p+"new").Value), "a", "nothing was done")

	done, answer, _, err = second.KV().Txn(api.KVTxnOps{
		kv(api.KVGetTree, "", "", 0),
		kv(api.KVDeleteTree, "", "", 0),
		kv(api.KVCheckNotExists, "new", "", 0),
	}, nil)
	must(t, err)
	equal(t, done, true, "done")
	equal(t, len(answer.Results), 2, "the tree")
	equal(t, get(t, third, p+"new") == nil, true, "the tree is gone")
}

type errorOf string

func (what errorOf) Error() string { return string(what) }

func TestTransactionWithLocks(t *testing.T) {
	key := name(t)
	first, second, third := three(t)
	id, _, err := first.Session().CreateNoChecks(nil, nil)
	must(t, err)
	defer func() { _, _ = first.Session().Destroy(id, nil) }()
	done, answer, _, err := first.KV().Txn(api.KVTxnOps{{Verb: api.KVLock, Key: key}, {Verb: api.KVGet, Key: key}}, nil)
	must(t, err)
	equal(t, done, false, "locked by no session")
	refused(t, errorOf(answer.Errors[0].What), "missing session")
	done, answer, _, err = second.KV().Txn(api.KVTxnOps{
		{Verb: api.KVLock, Key: key, Value: []byte("v"), Session: id},
		{Verb: api.KVCheckSession, Key: key, Session: id},
	}, nil)
	must(t, err)
	equal(t, done, true, "locked")
	equal(t, answer.Results[0].LockIndex, 1, "lock index")
	equal(t, answer.Results[1].Session, id, "holder")
	done, _, _, err = third.KV().Txn(api.KVTxnOps{{Verb: api.KVUnlock, Key: key, Session: id}}, nil)
	must(t, err)
	equal(t, done, true, "unlocked")
	equal(t, get(t, first, key).Session, "", "holder")
}
