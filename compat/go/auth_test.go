package compat

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const rootPassword = "rootpw"

// as gives a client that logs in.
func as(t *testing.T, user, password string, endpoints ...string) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: 10 * time.Second, Logger: zap.NewNop(), Username: user, Password: password,
	})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// withAuth switches auth on, with root and a user that may do everything below `own/` of the test's
// prefix. However the test ends, it is off again, and both are gone.
func withAuth(t *testing.T) (root, user *clientv3.Client, name string) {
	t.Helper()
	open := all(t)
	name = strings.ReplaceAll(prefix(t), "/", "-") + "user"
	ctx := limit(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if client, err := clientv3.New(clientv3.Config{
			Endpoints: endpoints(t), DialTimeout: 10 * time.Second, Logger: zap.NewNop(), Username: "root", Password: rootPassword,
		}); err == nil {
			_, _ = client.AuthDisable(ctx)
			_ = client.Close()
		}
		for _, user := range []string{"root", name} {
			_, _ = open.UserDelete(ctx, user)
		}
		if _, err := open.RoleDelete(ctx, name); err != nil {
			t.Errorf("auth is not off again: %v", err)
		}
	})
	_, err := open.UserAdd(ctx, "root", rootPassword)
	must(t, err)
	_, err = open.UserGrantRole(ctx, "root", "root")
	must(t, err)
	_, err = open.RoleAdd(ctx, name)
	must(t, err)
	own := prefix(t) + "own/"
	readWrite := clientv3.PermissionType(clientv3.PermReadWrite)
	_, err = open.RoleGrantPermission(ctx, name, own, clientv3.GetPrefixRangeEnd(own), readWrite)
	must(t, err)
	_, err = open.UserAdd(ctx, name, "pw")
	must(t, err)
	_, err = open.UserGrantRole(ctx, name, name)
	must(t, err)
	_, err = open.AuthEnable(ctx)
	must(t, err)
	return as(t, "root", rootPassword, endpoints(t)...), as(t, name, "pw", endpoints(t)...), name
}

// stricter skips what etcd 3.5 lets through, or lets go on.
func stricter(t *testing.T, client *clientv3.Client) {
	t.Helper()
	status, err := client.Status(limit(t), endpoints(t)[0])
	must(t, err)
	if strings.HasPrefix(status.Version, "3.5.") {
		t.Skip("etcd 3.5 lets this through")
	}
}

func denied(t *testing.T, err error, what string) {
	t.Helper()
	if !errors.Is(err, rpctypes.ErrPermissionDenied) {
		t.Fatalf("%s: got %v, want permission denied", what, err)
	}
}

// Nobody gets by on what a node knew before.
func TestAuthChangesHoldOnEveryNodeAtOnce(t *testing.T) {
	root, _, name := withAuth(t)
	other := prefix(t) + "other"
	var users []*clientv3.Client
	for _, endpoint := range endpoints(t) {
		users = append(users, as(t, name, "pw", endpoint))
	}
	for round := 0; round < 10; round++ {
		_, err := root.RoleGrantPermission(limit(t), name, other, "", clientv3.PermissionType(clientv3.PermReadWrite))
		must(t, err)
		for _, user := range users {
			_, err := user.Get(limit(t), other)
			must(t, err)
		}
		_, err = root.RoleRevokePermission(limit(t), name, other, "")
		must(t, err)
		for _, user := range users {
			_, err := user.Get(limit(t), other)
			denied(t, err, "get")
			_, err = user.Put(limit(t), other, "1")
			denied(t, err, "put")
		}
	}
}

func TestAuthLooksAtEveryPartOfATxn(t *testing.T) {
	_, user, _ := withAuth(t)
	own, other := prefix(t)+"own/k", prefix(t)+"other"
	never := clientv3.Compare(clientv3.Version(own), "=", 77)
	try := func(what string, txn clientv3.Txn) {
		t.Helper()
		_, err := txn.Commit()
		denied(t, err, what)
	}
	begin := func() clientv3.Txn { return user.Txn(limit(t)) }
	try("compare", begin().If(clientv3.Compare(clientv3.Version(other), "=", 0)).Then(clientv3.OpGet(own)))
	try("then", begin().If(never).Then(clientv3.OpPut(other, "1")))
	try("else", begin().If(never).Else(clientv3.OpGet(other)))
	try("delete", begin().If(never).Then(clientv3.OpDelete(other)))
	try("range", begin().Then(clientv3.OpGet(prefix(t), clientv3.WithPrefix())))
	inner := clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet(own)}, []clientv3.Op{clientv3.OpPut(other, "1")})
	_, err := begin().Then(clientv3.OpPut(own, "1"), clientv3.OpGet(own)).Commit()
	must(t, err)
	stricter(t, user)
	try("nested", begin().If(never).Then(inner))
	condition := clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Version(other), "=", 0)}, nil, nil)
	try("nested compare", begin().Then(condition))
}

func TestAuthPreviousValuesNeedTheRightToRead(t *testing.T) {
	root, user, name := withAuth(t)
	key := prefix(t) + "write-only"
	_, err := root.RoleGrantPermission(limit(t), name, key, "", clientv3.PermissionType(clientv3.PermWrite))
	must(t, err)
	_, err = user.Put(limit(t), key, "1")
	must(t, err)
	_, err = user.Put(limit(t), key, "2", clientv3.WithPrevKV())
	denied(t, err, "put with prev_kv")
	_, err = user.Delete(limit(t), key, clientv3.WithPrevKV())
	denied(t, err, "delete with prev_kv")
	_, err = user.Get(limit(t), key)
	denied(t, err, "get")
	_, err = user.Delete(limit(t), key)
	must(t, err)
	stricter(t, user)
	_, err = user.Txn(limit(t)).Then(clientv3.OpPut(key, "2", clientv3.WithPrevKV())).Commit()
	denied(t, err, "put with prev_kv in a txn")
}

func TestAuthWatchesAreRefusedAndEnded(t *testing.T) {
	root, user, name := withAuth(t)
	other := prefix(t) + "other"
	// The client hands on the server's words as they are.
	ended := func(answer clientv3.WatchResponse, what string) {
		t.Helper()
		if err := answer.Err(); err == nil || !strings.HasSuffix(err.Error(), "permission denied") {
			t.Fatalf("%s: got %v, want permission denied", what, err)
		}
	}
	ended(receive(t, user.Watch(limit(t), other), "the refusal"), "the refusal")

	_, err := root.RoleGrantPermission(limit(t), name, other, "", clientv3.PermissionType(clientv3.PermRead))
	must(t, err)
	watch := user.Watch(limit(t), other, clientv3.WithCreatedNotify())
	equal(t, receive(t, watch, "the creation").Created, true, "created")
	put(t, root, other, "1")
	equal(t, len(receive(t, watch, "the event").Events), 1, "events")
	stricter(t, user)
	_, err = root.RoleRevokePermission(limit(t), name, other, "")
	must(t, err)
	put(t, root, other, "2")
	// A client whose watch the server ends closes the channel, and keeps the reason to itself.
	select {
	case last, open := <-watch:
		equal(t, open, false, "open")
		equal(t, len(last.Events), 0, "events after the right is gone")
	case <-time.After(patience):
		t.Fatal("the watch goes on")
	}
}

func TestAuthLeasesAreHeldAgainstTheirKeys(t *testing.T) {
	root, user, _ := withAuth(t)
	own, other := prefix(t)+"own/k", prefix(t)+"other"
	lease, err := root.Grant(limit(t), 60)
	must(t, err)
	put(t, user, own, "1", clientv3.WithLease(lease.ID))
	put(t, root, other, "1", clientv3.WithLease(lease.ID))
	_, err = user.Put(limit(t), own, "2", clientv3.WithLease(lease.ID))
	denied(t, err, "attach")
	_, err = user.Revoke(limit(t), lease.ID)
	denied(t, err, "revoke")
	if _, found := value(t, root, other); !found {
		t.Fatal("a key went with a lease that was not to be revoked")
	}
	stricter(t, user)
	_, err = user.Txn(limit(t)).Then(clientv3.OpPut(own, "2", clientv3.WithLease(lease.ID))).Commit()
	denied(t, err, "attach in a txn")
	_, err = user.TimeToLive(limit(t), lease.ID, clientv3.WithAttachedKeys())
	denied(t, err, "keys")
	_, err = root.Revoke(limit(t), lease.ID)
	must(t, err)
}

// A token says whose it is to every node, and a client whose token ended logs in again by itself.
func TestAuthTokensCountEverywhereAndAreRenewed(t *testing.T) {
	root, user, name := withAuth(t)
	own := prefix(t) + "own/k"
	for round := 0; round < 3*len(endpoints(t)); round++ {
		// The client goes from node to node with one token.
		put(t, user, own, "1")
	}
	// Every token of before is void then.
	_, err := root.AuthDisable(limit(t))
	must(t, err)
	_, err = all(t).AuthEnable(limit(t))
	must(t, err)
	put(t, user, own, "2")
	_, err = root.UserChangePassword(limit(t), name, "pw2")
	must(t, err)
	for _, endpoint := range endpoints(t) {
		if _, err := clientv3.New(clientv3.Config{
			Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second, Logger: zap.NewNop(), Username: name, Password: "pw",
		}); !errors.Is(err, rpctypes.ErrAuthFailed) {
			t.Fatalf("the old password: got %v", err)
		}
	}
	put(t, as(t, name, "pw2", endpoints(t)...), own, "3")
	if _, err := user.Put(limit(t), own, "4"); err == nil {
		t.Fatal("a client with the old password still writes")
	}
}
