package compat

import (
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// holds decides compares by a txn that reads, too: one of compares alone etcd may answer from what
// the node has, without asking the leader.
func holds(t *testing.T, client *clientv3.Client, compares ...clientv3.Cmp) bool {
	t.Helper()
	answer, err := client.Txn(limit(t)).If(compares...).Then(clientv3.OpGet(prefix(t))).Commit()
	must(t, err)
	return answer.Succeeded
}

func TestCompares(t *testing.T) {
	client, p := all(t), prefix(t)
	granted, err := client.Grant(limit(t), 60)
	must(t, err)
	create := put(t, client, p+"k", "b")
	mod := put(t, client, p+"k", "b", clientv3.WithLease(granted.ID))
	targets := []struct {
		name                string
		target              clientv3.Cmp
		below, exact, above any
	}{
		{"version", clientv3.Version(p + "k"), 1, 2, 3},
		{"create", clientv3.CreateRevision(p + "k"), create - 1, create, create + 1},
		{"mod", clientv3.ModRevision(p + "k"), mod - 1, mod, mod + 1},
		{"value", clientv3.Value(p + "k"), "a", "b", "c"},
		{"lease", clientv3.LeaseValue(p + "k"), granted.ID - 1, granted.ID, granted.ID + 1},
	}
	for _, each := range targets {
		for _, one := range []struct {
			operator string
			value    any
			want     bool
		}{
			{"=", each.exact, true}, {"=", each.below, false},
			{"!=", each.below, true}, {"!=", each.exact, false},
			{"<", each.above, true}, {"<", each.exact, false},
			{">", each.below, true}, {">", each.exact, false},
		} {
			got := holds(t, client, clientv3.Compare(each.target, one.operator, one.value))
			equal(t, got, one.want, fmt.Sprintf("%s %s %v", each.name, one.operator, one.value))
		}
	}
	_, err = client.Revoke(limit(t), granted.ID)
	must(t, err)
}

func TestComparesOfARange(t *testing.T) {
	client, p := all(t), prefix(t)
	first := put(t, client, p+"a", "1")
	put(t, client, p+"b", "1")
	whole := func(compare clientv3.Cmp) clientv3.Cmp { return compare.WithPrefix() }
	equal(t, holds(t, client, whole(clientv3.Compare(clientv3.Value(p), "=", "1"))), true, "all are 1")
	equal(t, holds(t, client, whole(clientv3.Compare(clientv3.ModRevision(p), "=", first))), false, "not all")
	equal(t, holds(t, client, whole(clientv3.Compare(clientv3.ModRevision(p), ">", first-1))), true, "later")
	// An empty range: any compare of anything but its value holds of nothing there.
	equal(t, holds(t, client, whole(clientv3.Compare(clientv3.CreateRevision(p+"none/"), "=", 0))), true, "none")
}

func TestTxnBranchesAndAtomicity(t *testing.T) {
	client, p := all(t), prefix(t)
	once := func() *clientv3.TxnResponse {
		t.Helper()
		answer, err := client.Txn(limit(t)).
			If(clientv3.Compare(clientv3.CreateRevision(p+"a"), "=", 0)).
			Then(clientv3.OpPut(p+"a", "1"), clientv3.OpPut(p+"b", "2"), clientv3.OpGet(p, clientv3.WithPrefix())).
			Else(clientv3.OpGet(p+"a"), clientv3.OpDelete(p+"b", clientv3.WithPrevKV())).
			Commit()
		must(t, err)
		return answer
	}
	first := once()
	equal(t, first.Succeeded, true, "first")
	seen := first.Responses[2].GetResponseRange()
	equal(t, len(seen.Kvs), 2, "the txn reads its own writes")
	for _, kv := range seen.Kvs {
		equal(t, kv.ModRevision, first.Header.Revision, "one revision for all")
	}
	second := once()
	equal(t, second.Succeeded, false, "second")
	equal(t, string(second.Responses[0].GetResponseRange().Kvs[0].Value), "1", "read")
	equal(t, string(second.Responses[1].GetResponseDeleteRange().PrevKvs[0].Value), "2", "deleted")
	equal(t, second.Header.Revision, first.Header.Revision+1, "revision")
}

func TestNestedTxn(t *testing.T) {
	client, p := all(t), prefix(t)
	inner := clientv3.OpTxn(
		[]clientv3.Cmp{clientv3.Compare(clientv3.Value(p+"outer"), "=", "1")},
		[]clientv3.Op{clientv3.OpPut(p+"inner", "sees the outer's write")},
		[]clientv3.Op{clientv3.OpPut(p+"inner", "sees what was before")},
	)
	answer, err := client.Txn(limit(t)).Then(clientv3.OpPut(p+"outer", "1"), inner).Commit()
	must(t, err)
	// Compares of every level are decided before anything is written.
	equal(t, answer.Responses[1].GetResponseTxn().Succeeded, false, "inner")
	got, err := client.Get(limit(t), p, clientv3.WithPrefix())
	must(t, err)
	equal(t, len(got.Kvs), 2, "keys")
	equal(t, string(got.Kvs[0].Value), "sees what was before", "inner value")
	equal(t, got.Kvs[0].ModRevision, got.Kvs[1].ModRevision, "one revision")
}

func TestTxnErrors(t *testing.T) {
	client, p := all(t), prefix(t)
	commit := func(operations ...clientv3.Op) error {
		_, err := client.Txn(limit(t)).Then(operations...).Commit()
		return err
	}
	twice := clientv3.OpPut(p+"k", "1")
	is(t, commit(twice, twice), rpctypes.ErrDuplicateKey)
	is(t, commit(twice, clientv3.OpDelete(p, clientv3.WithPrefix())), rpctypes.ErrDuplicateKey)
	is(t, commit(twice, clientv3.OpTxn(nil, []clientv3.Op{twice}, nil)), rpctypes.ErrDuplicateKey)
	is(t, commit(clientv3.OpTxn(nil, []clientv3.Op{twice}, nil), clientv3.OpTxn(nil, nil, []clientv3.Op{twice})), rpctypes.ErrDuplicateKey)
	must(t, commit(clientv3.OpTxn(nil, []clientv3.Op{twice}, []clientv3.Op{twice})))

	many := make([]clientv3.Op, 129)
	for i := range many {
		many[i] = clientv3.OpPut(fmt.Sprintf("%s%d", p, i), "v")
	}
	is(t, commit(many...), rpctypes.ErrTooManyOps)
	must(t, commit(many[:128]...))
	is(t, commit(clientv3.OpPut(p+"new", "v"), clientv3.OpPut(p+"leased", "v", clientv3.WithLease(0x7eadbeef))), rpctypes.ErrLeaseNotFound)
	is(t, commit(clientv3.OpPut(p+"new", "v"), clientv3.OpPut("", "v")), rpctypes.ErrEmptyKey)
	if _, found := value(t, client, p+"new"); found {
		t.Fatal("a refused txn wrote")
	}
}
